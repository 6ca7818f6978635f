/** Our processor in the harness's place: a flat ring 3 program with the same two regions mapped. */
import type { GuestPhysicalAddress } from '../../src/shared/addresses';
import { buildHandlers } from '../../src/engines/cpu/interpreter/handlers';
import { RESERVED, SYS } from '../../src/engines/cpu/layout';
import { Processor } from '../../src/engines/cpu/processor';
import { Cr0, Seg } from '../../src/engines/cpu/state';
import { EXCEPTIONS } from '../../src/engines/cpu/system/fault';
import { cpuModel } from '../../src/engines/cpu/system/models';
import { Clock } from '../../src/engines/machine/clock';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { PhysicalMemory } from '../../src/engines/machine/physical-memory';
import { PortBus } from '../../src/engines/machine/ports';
import { TransitionLog } from '../../src/engines/transitions';
import { type Case, CODE, CODE_SIZE, DATA, DATA_SIZE, START } from './cases';

export interface Outcome {
  readonly registers: readonly number[];
  readonly eflags: number;
  readonly eip: number;
  /** 3 for an instruction that completed: the INT3 behind it. */
  readonly vector: number;
  readonly error: number;
  readonly cr2: number;
  /** Changed bytes of the data region as `offset * 256 + value`, ascending. */
  readonly changes: readonly number[];
}

const DIRECTORY = 0x1000;
const TABLE = 0x2000;
const PRESENT_WRITABLE_USER = 7;
const MOST_ITERATIONS = 5000;

export class Subject {
  private readonly cpu: Processor;
  private readonly memory: PhysicalMemory;
  private readonly host = new HostMemory(RESERVED);
  private readonly pristine: Uint8Array;

  constructor(data: Uint8Array) {
    this.pristine = data;
    this.memory = new PhysicalMemory(this.host);
    this.memory.addRam(0, 32 << 20);
    this.cpu = new Processor({
      host: this.host,
      memory: this.memory,
      ports: new PortBus(),
      clock: new Clock(),
      log: new TransitionLog(4096),
      handlers: buildHandlers(),
      interrupts: { pending: false, acknowledge: () => 0 },
      model: cpuModel('max'),
    });
    this.cpu.hooks = {
      probedPage: () => false,
      probesOpcodes: false,
      wants: () => false,
      probe: () => false,
      exception: () => true,
      port: () => false,
      access: () => false,
    };
    this.mapRegions();
    this.memory.writeBytes(DATA as GuestPhysicalAddress, data);
  }

  private mapRegions(): void {
    const put = (address: number, value: number): void => this.memory.write(address, 4, value);
    put(DIRECTORY + (DATA >>> 22) * 4, TABLE | PRESENT_WRITABLE_USER);
    for (const [base, size] of [
      [DATA, DATA_SIZE],
      [CODE, CODE_SIZE],
    ]) {
      for (let at = base; at < base + size; at += 4096) put(TABLE + ((at >>> 12) & 0x3ff) * 4, at | PRESENT_WRITABLE_USER);
    }
  }

  run(test: Case): Outcome {
    const { cpu, memory } = this;
    cpu.reset();
    const { state } = cpu;
    state.setSys(SYS.cr3, DIRECTORY);
    state.setSys(SYS.cr0, (Cr0.pe | Cr0.pg | Cr0.wp | Cr0.et | Cr0.ne) >>> 0);
    state.setCpl(3);
    const flat = { base: 0, limit: 0xffffffff, unusable: false };
    state.setSegment(Seg.cs, { ...flat, selector: 0x23, attributes: 0xc0fb });
    for (const segment of [Seg.ss, Seg.ds, Seg.es]) state.setSegment(segment, { ...flat, selector: 0x2b, attributes: 0xc0f3 });
    // No I/O bitmap: ports are refused, as they are to a program on the host.
    state.setSegment(Seg.tr, { selector: 0x40, base: 0, limit: 0x2b, attributes: 0x83, unusable: false });
    test.registers.forEach((value, i) => state.setReg32(i, value));
    state.eflags = test.eflags;
    state.ip = CODE + START;
    state.refresh();
    const code = new Uint8Array(CODE_SIZE).fill(0xcc);
    code.set(test.code, START);
    memory.writeBytes(CODE as GuestPhysicalAddress, code);
    cpu.mmu.flush();

    let steps = 0;
    do cpu.step();
    while (state.ip === CODE + START && !cpu.heldException && test.instruction.prefixes.repeat !== 'none' && ++steps < MOST_ITERATIONS);
    const held = cpu.heldException;
    const inCode = state.ip >= CODE && state.ip < CODE + CODE_SIZE;
    const changes = this.changes();
    return {
      registers: Array.from({ length: 8 }, (_, i) => state.reg32(i)),
      eflags: state.eflags,
      // A completed instruction runs into the INT3 behind it, or into a page that cannot be executed.
      eip: held || !inCode ? state.ip : state.ip + 1,
      vector: held ? held.vector : inCode ? 3 : 14,
      error: held && EXCEPTIONS[held.vector]?.errorCode ? held.errorCode : 0,
      cr2: state.sys(SYS.cr2),
      changes,
    };
  }

  private changes(): number[] {
    const now = this.memory.readBytes(DATA as GuestPhysicalAddress, DATA_SIZE);
    const list: number[] = [];
    for (let i = 0; i < DATA_SIZE; i++) if (now[i] !== this.pristine[i]) list.push(i * 256 + now[i]);
    if (list.length > 0) this.memory.writeBytes(DATA as GuestPhysicalAddress, this.pristine);
    return list;
  }
}
