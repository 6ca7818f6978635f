/** The VMCS panel's requests: see `shared/vmcs-protocol.ts`. */
import type { VirtualCpu } from '../../engines/engine';
import type { VmcsFieldValue, VmxFacts, VmxMoment } from '../../engines/vmx-facts';
import { vmxSummary } from '../../engines/vmx-json';
import type { VmcsBody, VmcsDiffBody } from '../../shared/vmcs-protocol';
import { stateChanged } from '../console/assign';
import { compile } from '../expressions/compile';
import { parseExpression } from '../expressions/parser';
import type { Guest } from '../guest';
import { UserError } from '../protocol/errors';
import type { Handlers } from '../protocol/requests';
import { describe } from '../protocol/shapes';
import type { Session } from '../session';
import { vcpuOf } from './vcpus';
import { vmcsText } from './vmcs-text';
import { checksOf, differences, failureView, fieldView, momentView, physicalAddress } from './vmcs-views';

const FORMATS: readonly string[] = ['text', 'json'];

export function vmcsRequests(session: Session): Handlers {
  const factsOf = (index: number): VmxFacts => {
    const { vmx } = vcpuOf(session.guest, index);
    if (!vmx) throw new UserError('this processor has no VMX');
    return vmx;
  };
  return {
    'ringside/vmcs': ({ vcpu }) => vmcsOf(session.guest, vcpuOf(session.guest, vcpu)),

    'ringside/setVmcsField': ({ vcpu, field, value }) => {
      const guest = session.stopped;
      const vmx = factsOf(vcpu);
      const number = evaluate(guest, vcpu, value);
      try {
        vmx.setField(field, number);
      } catch (error) {
        throw new UserError((error as Error).message);
      }
      stateChanged(session, guest);
    },

    'ringside/vmcsChecks': ({ vcpu }) => {
      const checks = checksOf(factsOf(vcpu));
      if (!checks) throw new UserError('there is no current VMCS to check');
      return checks;
    },

    'ringside/vmcsDiff': ({ vcpu, from, to }) => diffOf(factsOf(vcpu), from, to),

    'ringside/exportVmcs': ({ vcpu, format }) => {
      if (!FORMATS.includes(format)) throw new UserError(`'format' must be text or json, not ${describe(format)}`);
      const vmx = factsOf(vcpu);
      return { text: format === 'json' ? `${JSON.stringify(vmxSummary(vmx), undefined, 2)}\n` : vmcsText(vmx) };
    },
  };
}

/** @throws UserError for what is no expression, or cannot be computed */
function evaluate({ environment }: Guest, vcpu: number, text: unknown): bigint {
  if (typeof text !== 'string' || text.trim() === '') throw new UserError(`'value' must be an expression, not ${describe(text)}`);
  environment.vcpu = vcpu;
  try {
    return compile(parseExpression(text), environment)().value;
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

function vmcsOf(guest: Guest, { vmx, place }: VirtualCpu): VmcsBody {
  if (!vmx) return { available: false, operation: 'off', fields: [], history: [], moments: 0 };
  const { operation, vmxonPointer, region, failure, history } = vmx;
  const fields = vmx.fields();
  const since = region && comparedWith(vmx, region.address, fields);
  const before = since && new Map(history.fields(since.sequence).map(({ key, value }) => [key, value]));
  const side = place.vmx === 'non-root' ? 'guest' : 'host';
  const moments = momentsOf(vmx);
  return {
    available: true,
    operation,
    ...(vmxonPointer !== undefined && { vmxonPointer: physicalAddress(vmxonPointer) }),
    ...(region && { region: { ...region, ...physicalAddress(region.address) } }),
    fields: fields.map((field) => fieldView(field, guest, side, before)),
    ...(since && { since: momentView(since) }),
    ...(failure && { failure: failureView(failure, guest) }),
    history: moments.map(momentView),
    moments: history.total,
  };
}

/** The latest first. */
function momentsOf({ history }: VmxFacts): readonly VmxMoment[] {
  const { first, total } = history;
  return Array.from({ length: total - first }, (_, i) => history.moment(total - 1 - i) as VmxMoment);
}

/** The last exit of this VMCS; where nothing has changed since, what came before it. */
function comparedWith(vmx: VmxFacts, vmcs: number, now: readonly VmcsFieldValue[]): VmxMoment | undefined {
  const own = momentsOf(vmx).filter((moment) => moment.vmcs === vmcs);
  const exit = own.findIndex(({ kind }) => kind !== 'entry');
  if (exit < 0) return own[0];
  const same = differences(vmx.history.fields(own[exit].sequence), now).length === 0;
  return same ? (own[exit + 1] ?? own[exit]) : own[exit];
}

function diffOf(vmx: VmxFacts, from: number, to: number | undefined): VmcsDiffBody {
  const { history } = vmx;
  const momentAt = (sequence: number): VmxMoment => {
    const moment = history.moment(sequence);
    if (moment) return moment;
    throw new UserError(
      history.total === 0
        ? 'there has been no VM entry or exit'
        : `entry or exit ${describe(sequence)} is not kept; ${history.first} to ${history.total - 1} are`,
    );
  };
  const before = momentAt(from);
  const after = to === undefined ? undefined : momentAt(to);
  const now = to === undefined ? vmx.fields() : history.fields(to);
  if (now.length === 0) throw new UserError('there is no current VMCS to compare with');
  return { from: momentView(before), ...(after && { to: momentView(after) }), fields: differences(history.fields(from), now) };
}
