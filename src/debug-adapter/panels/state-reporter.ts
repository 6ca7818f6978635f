/** The `ringside/state` event: whole after each stop, and a little of it now and then while the guest runs. */
import type { VirtualCpu } from '../../engines/engine';
import type { ChangedRegister, LogExtent, StateEvent, VcpuState } from '../../shared/panel-protocol';
import { hexOf } from '../expressions/format';
import type { Guest } from '../guest';
import type { Session } from '../session';
import { placeInCode } from './places';
import { ringsOf } from './rings';
import { viewOf } from './transition-views';

/** Milliseconds between events while the guest runs. */
const INTERVAL = 100;

export class StateReporter {
  private readonly session: Session;
  private lastEvent = Number.NEGATIVE_INFINITY;
  private lastTotal = 0;
  /** Registers at the last stop, by vCPU and name. */
  private previous = new Map<string, bigint>();
  private changes = new Map<number, ChangedRegister[]>();

  constructor(session: Session) {
    this.session = session;
  }

  /** The event follows when those who wait for the stop itself have been served. */
  stopped(): void {
    const { guest, host } = this.session;
    this.noteChanges(guest);
    host.soon(() => {
      if (guest === this.session.current && guest.runner.state === 'stopped') this.send(guest);
    });
  }

  /** Something was changed by hand while the guest stands. */
  changed(): void {
    const { guest } = this.session;
    if (guest.runner.state === 'stopped') this.send(guest);
  }

  resumed(): void {
    this.lastEvent = this.session.host.now();
  }

  ended(): void {
    this.send(this.session.guest);
  }

  sliced(): void {
    const { guest, host } = this.session;
    if (guest.runner.state !== 'running' || host.now() - this.lastEvent < INTERVAL) return;
    this.send(guest);
  }

  private send(guest: Guest): void {
    this.lastEvent = this.session.host.now();
    this.session.panelEvent('ringside/state', this.state(guest));
    const extent = extentOf(guest);
    if (extent.total !== this.lastTotal) {
      this.lastTotal = extent.total;
      this.session.panelEvent('ringside/transitions', extent);
    }
  }

  private noteChanges(guest: Guest): void {
    const now = new Map<string, bigint>();
    this.changes = new Map();
    for (const cpu of guest.engine.cpus) {
      const changed: ChangedRegister[] = [];
      for (const { name, value, bits } of cpu.registers()) {
        const key = `${cpu.index}:${name}`;
        const before = this.previous.get(key);
        now.set(key, value);
        if (before !== undefined && before !== value) changed.push({ name, value: hexOf(value, bits), previous: hexOf(before, bits) });
      }
      this.changes.set(cpu.index, changed);
    }
    this.previous = now;
  }

  state(guest: Guest): StateEvent {
    const { engine, runner, lastStop } = guest;
    const standing = runner.state === 'stopped';
    return {
      running: runner.state === 'running',
      ...(standing && lastStop && { reason: lastStop.reason, text: lastStop.text ?? lastStop.description }),
      terminated: runner.state === 'ended',
      technique: engine.technique,
      instructionCount: engine.instructionCount,
      virtualTime: engine.now,
      transitions: extentOf(guest),
      vcpus: engine.cpus.map((cpu) => this.vcpuState(guest, cpu, standing)),
      stats: engine.stats(),
    };
  }

  private vcpuState(guest: Guest, cpu: VirtualCpu, standing: boolean): VcpuState {
    const { index, name, place, address, bits, halted } = cpu;
    const last = lastOf(guest, index);
    return {
      index,
      name,
      threadId: index + 1,
      place,
      at: placeInCode(address, guest.program),
      bits,
      halted,
      usesVmx: usesVmx(cpu),
      changed: standing ? (this.changes.get(index) ?? []) : [],
      ...(standing && { rings: ringsOf(guest, cpu) }),
      ...(last && { lastTransition: viewOf(last, guest) }),
    };
  }
}

function usesVmx({ place, vmx }: VirtualCpu): boolean {
  return place.vmx !== 'off' || (vmx !== undefined && (vmx.history.total > 0 || vmx.failure !== undefined));
}

export function extentOf({ engine: { transitions } }: Guest): LogExtent {
  return { first: transitions.first, total: transitions.total };
}

/** Entries looked through for the latest one of a processor. */
const LOOK_BACK = 64;

function lastOf({ engine: { transitions } }: Guest, vcpu: number) {
  for (let sequence = transitions.total - 1; sequence >= Math.max(transitions.first, transitions.total - LOOK_BACK); sequence--) {
    const raw = transitions.raw(sequence);
    if (raw?.vcpu === vcpu) return raw;
  }
  return undefined;
}
