/** IA32_FEATURE_CONTROL (manual, "Enabling and Entering VMX Operation"). */
import { SYS } from '../layout';

export const FeatureControl = {
  /** Where it is kept. */
  slot: SYS.featureControl,
  lock: 1,
  vmxOutsideSmx: 4,
  /** What VMXON wants. */
  enabled: 5,
} as const;
