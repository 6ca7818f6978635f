/** The requests that look at threads, stacks and variables, and change them. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { assignText } from '../console/assign';
import type { Guest } from '../guest';
import { hasHypercall, hypercallEntries } from '../hypercalls/scope';
import { unknownReference, UserError } from '../protocol/errors';
import type { Handlers } from '../protocol/requests';
import type { Session } from '../session';
import { showFrame } from './stack-frames';
import { type Container, type Entry, entriesOf, SCOPES, stripMeaning, toVariable, valueText } from './variables';

export function stateRequests(session: Session): Handlers {
  return {
    threads: () => ({ threads: session.guest.engine.cpus.map(({ index, name }) => ({ id: index + 1, name })) }),

    stackTrace: ({ threadId, startFrame = 0, levels = 0 }) => {
      const guest = session.stopped;
      const cpu = guest.cpuOfThread(threadId);
      const frames = guest.stacks.of(cpu);
      const shown = frames.slice(startFrame, levels > 0 ? startFrame + levels : undefined);
      return {
        stackFrames: shown.map((frame, i) =>
          showFrame(frame, guest.frames.add({ vcpu: cpu.index, frame, level: startFrame + i }), guest.program, session.positions),
        ),
        totalFrames: frames.length,
      };
    },

    scopes: ({ frameId }) => {
      const guest = session.stopped;
      const shown = guest.frames.get(frameId);
      if (!shown) throw unknownReference('frame', frameId);
      if (shown.frame.kind === 'label') return { scopes: [] };
      const cpu = guest.engine.cpus[shown.vcpu];
      const registers = cpu.registers();
      const present = SCOPES.filter(({ group }) => registers.some((register) => register.group === group));
      const scopes = present.map((scope) => showScope(scope, guest, shown));
      if (shown.level === 0 && hasHypercall(guest, cpu)) {
        const variablesReference = guest.containers.add({ kind: 'hypercall', vcpu: shown.vcpu });
        scopes.unshift({ name: 'Hypercall', variablesReference, expensive: false });
      }
      return { scopes };
    },

    variables: ({ variablesReference, start, count, format }) => {
      const guest = session.stopped;
      const container = guest.containers.get(variablesReference);
      if (!container) throw unknownReference('variables reference', variablesReference);
      const entries = entriesIn(guest, container, format?.hex === true);
      const from = start ?? 0;
      const page = entries.slice(from, count ? from + count : undefined);
      return { variables: page.map((entry) => toVariable(entry, entry.children ? guest.containers.add(entry.children) : 0)) };
    },

    setVariable: ({ variablesReference, name, value, format }) => {
      const guest = session.stopped;
      const container = guest.containers.get(variablesReference);
      if (!container) throw unknownReference('variables reference', variablesReference);
      const entry = entriesIn(guest, container).find((each) => each.name === name);
      if (!entry) throw new UserError(`there is no '${name}' in here`);
      if (entry.readOnly) throw new UserError(readOnlyReason(entry));
      assignText(session, guest, container.vcpu, entry.expression, valueText(entry, stripMeaning(value)));
      const changed = entriesIn(guest, container, format?.hex === true).find((each) => each.name === name) ?? entry;
      const variable = toVariable(changed, changed.children ? guest.containers.add(changed.children) : 0);
      return {
        value: variable.value,
        type: variable.type,
        variablesReference: variable.variablesReference,
        memoryReference: variable.memoryReference,
      };
    },
  };
}

const entriesIn = (guest: Guest, container: Container, hex = false): Entry[] => {
  const cpu = guest.engine.cpus[container.vcpu];
  return container.kind === 'hypercall' ? hypercallEntries(guest, cpu) : entriesOf(container, cpu, hex);
};

const readOnlyReason = ({ name, children }: Entry): string =>
  children ? `change the elements of ${name} one by one` : `${name} is a hidden part: load the segment register to change it`;

function showScope(scope: (typeof SCOPES)[number], guest: Guest, { vcpu, level }: { vcpu: number; level: number }): P.Scope {
  const container: Container = { kind: 'group', vcpu, group: scope.group };
  return {
    // Outer frames have no registers of their own that are known.
    name: level === 0 ? scope.name : `${scope.name} (now)`,
    variablesReference: guest.containers.add(container),
    expensive: false,
    ...(scope.group === 'general' && { presentationHint: 'registers' }),
  };
}
