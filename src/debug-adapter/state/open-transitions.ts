/**
 * Which transitions inwards have not returned: followed along the log, entry by entry, as they come. What a handler does
 * to its stack is not in the log, so an entry counts only as long as its return address is still found there
 * (`boundaries.ts`).
 */
import type { LoggedTransition, TransitionLog } from '../../engines/transitions';

/** Opened further out than this is forgotten. */
const MAX_OPEN = 256;
/** Entries looked at after a long run; what came before leaves the older ones as they were. */
const MAX_BEHIND = 4096;
/** No instruction is longer. */
const MAX_INSTRUCTION = 15;

const INWARD: ReadonlySet<string> = new Set(['exception', 'interrupt', 'gate', 'syscall']);

export class OpenTransitions {
  private readonly log: TransitionLog;
  private readonly byCpu = new Map<number, LoggedTransition[]>();
  private next = 0;

  constructor(log: TransitionLog) {
    this.log = log;
  }

  /** Innermost first. */
  of(vcpu: number): readonly LoggedTransition[] {
    this.follow();
    return [...(this.byCpu.get(vcpu) ?? [])].reverse();
  }

  private follow(): void {
    const { log } = this;
    if (log.total < this.next) {
      this.byCpu.clear();
      this.next = 0;
    }
    this.next = Math.max(this.next, log.first, log.total - MAX_BEHIND);
    for (; this.next < log.total; this.next++) {
      const entry = log.raw(this.next);
      if (entry) this.take(entry);
    }
  }

  private take(entry: LoggedTransition): void {
    let open = this.byCpu.get(entry.vcpu);
    if (!open) {
      open = [];
      this.byCpu.set(entry.vcpu, open);
    }
    if (entry.kind === 'return' || (entry.kind === 'task-switch' && entry.causeName === 'IRET')) close(open, entry);
    else if (entry.kind === 'vm-entry') leaveHypervisor(open);
    else if (entry.kind === 'vm-exit') {
      // A failed entry leads from the hypervisor into the hypervisor.
      if (entry.from.vmx === 'non-root') open.push(entry);
    } else if (INWARD.has(entry.kind) && entry.causeName !== 'JMP') open.push(entry);
    // A task entered by JMP owes nothing to the one before it.
    else if (entry.kind === 'task-switch') {
      if (entry.causeName === 'JMP') open.length = 0;
      else open.push(entry);
    }
    if (open.length > MAX_OPEN) open.shift();
  }
}

/** Takes away the innermost entry that this return leads back from, and what was opened within it. */
function close(open: LoggedTransition[], entry: LoggedTransition): void {
  for (let i = open.length - 1; i >= 0; i--) {
    const { fromSelector, fromOffset } = open[i];
    const behind = entry.toOffset - fromOffset;
    if (entry.toSelector !== fromSelector || behind < 0 || behind > MAX_INSTRUCTION) continue;
    open.length = i;
    return;
  }
}

/** What a hypervisor was doing is over with VM entry: its next exit finds a fresh stack. What is open in the guest stays so. */
function leaveHypervisor(open: LoggedTransition[]): void {
  const exit = open.findLastIndex(({ kind }) => kind === 'vm-exit');
  open.length = Math.max(0, exit);
}
