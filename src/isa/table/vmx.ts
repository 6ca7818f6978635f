/** Virtual-machine extensions. Their outcome is in the flags: CF for "no current VMCS", ZF for an error with a number. */
import { rows, STATUS_FLAGS } from './builder';
import type { RowSource, Traits } from './builder';

const VMX: Traits = { feature: 'vmx', privilege: 'privileged', writes: STATUS_FLAGS };
/** Where they lead is the VMCS's to say. */
const TRANSITION: Traits = { ...VMX, flow: 'far' };
const INVALIDATE: Traits = { ...VMX, flow: 'serialize' };

export const VMX_ROWS: readonly RowSource[] = [
  ...rows('vmcall', 'VMCALL—Call to VM Monitor', { ...TRANSITION, privilege: 'sensitive' }, ['NP 0F 01 C1']),
  ...rows('vmlaunch', 'VMLAUNCH/VMRESUME—Launch/Resume Virtual Machine', TRANSITION, ['NP 0F 01 C2']),
  ...rows('vmresume', 'VMLAUNCH/VMRESUME—Launch/Resume Virtual Machine', TRANSITION, ['NP 0F 01 C3']),
  ...rows('vmxoff', 'VMXOFF—Leave VMX Operation', { ...VMX, flow: 'serialize' }, ['NP 0F 01 C4']),
  ...rows('vmxon', 'VMXON—Enter VMX Operation', { ...VMX, flow: 'serialize' }, ['F3 0F C7 /6: Mq']),
  ...rows('vmptrld', 'VMPTRLD—Load Pointer to Virtual-Machine Control Structure', VMX, ['NP 0F C7 /6: Mq']),
  ...rows('vmptrst', 'VMPTRST—Store Pointer to Virtual-Machine Control Structure', VMX, ['NP 0F C7 /7: Mq']),
  ...rows('vmclear', 'VMCLEAR—Clear Virtual-Machine Control Structure', VMX, ['66 0F C7 /6: Mq']),
  ...rows('vmread', 'VMREAD—Read Field from Virtual-Machine Control Structure', VMX, ['NP 0F 78 /r: Er,Gr']),
  ...rows('vmwrite', 'VMWRITE—Write Field to Virtual-Machine Control Structure', VMX, ['NP 0F 79 /r: Gr,Er']),
  ...rows('vmfunc', 'VMFUNC—Invoke VM function', { feature: 'vmx', privilege: 'sensitive', flow: 'serialize', writes: STATUS_FLAGS }, [
    'NP 0F 01 D4',
  ]),
  ...rows('invept', 'INVEPT—Invalidate Translations Derived from EPT', INVALIDATE, ['66 0F 38 80 /r: Gr,Mdq']),
  ...rows('invvpid', 'INVVPID—Invalidate Translations Based on VPID', INVALIDATE, ['66 0F 38 81 /r: Gr,Mdq']),
];
