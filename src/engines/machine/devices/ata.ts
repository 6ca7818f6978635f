/**
 * The primary ATA channel of a PC with a disk as device 0 and nothing as device 1, by programmed I/O.
 * Source: ATA/ATAPI-6 (T13 1410D), "PIO data-in command protocol" and its neighbours.
 */
import type { Clock, Timer } from '../clock';
import type { Device, DeviceFact, InterruptLine } from '../device';
import type { AccessSize } from '../physical-memory';
import type { PortBus } from '../ports';
import { identity, LBA28_SECTORS, MAX_MULTIPLE } from './ata-identify';
import { type BlockDevice, type DiskGeometry, geometryOf, SECTOR_SIZE } from './block';
import { bits, hex } from './notation';

const STATUS = { error: 0x01, dataRequest: 0x08, seekComplete: 0x10, ready: 0x40, busy: 0x80 } as const;
const ERROR = { aborted: 0x04, idNotFound: 0x10 } as const;
const STATUS_NAMES = ['ERR', '', '', 'DRQ', 'DSC', 'DF', 'DRDY', 'BSY'] as const;
const ERROR_NAMES = ['', '', 'ABRT', '', 'IDNF', '', 'UNC', ''] as const;
const READY = STATUS.ready | STATUS.seekComplete;

/**
 * Virtual nanoseconds from a command to its first interrupt, and between blocks of one command. Long enough that a
 * driver which unmasks or goes to sleep after writing the command still sees the interrupt, short enough to poll.
 */
const COMMAND_TIME = 20_000;
const BLOCK_TIME = 2_000;

/** What happens when BSY goes off. */
type Pending = 'nothing' | 'finish' | 'load' | 'offer' | 'store' | 'reset';

type Operation = 'none' | 'read' | 'write' | 'verify' | 'data-in' | 'write-buffer';

interface AtaState {
  /** Registers 1 to 5 (features, count, LBA low, mid, high) and what was in them before: [now, before]. */
  registers: [number, number][];
  device: number;
  control: number;
  status: number;
  error: number;
  interrupt: boolean;
  pending: Pending;
  operation: Operation;
  /** Next sector of the operation and how many are left. */
  lba: number;
  remaining: number;
  /** Sectors in a block that is moved under one DRQ. */
  block: number;
  /** The address was given in 48 bits, in 28 bits or as cylinder, head and sector. */
  addressing: 'lba48' | 'lba28' | 'chs';
  /** The block under transfer and the next byte in it. */
  buffer: Uint8Array;
  position: number;
  multiple: number;
  current: DiskGeometry;
  writeCache: boolean;
  readLookAhead: boolean;
}

interface TransferKind {
  readonly operation: 'read' | 'write' | 'verify';
  readonly extended: boolean;
  readonly multiple: boolean;
}

const transfer = (operation: TransferKind['operation'], extended: boolean, multiple = false): TransferKind => ({
  operation,
  extended,
  multiple,
});

const TRANSFERS: Readonly<Record<number, TransferKind>> = {
  0x20: transfer('read', false),
  0x21: transfer('read', false),
  0x24: transfer('read', true),
  0x29: transfer('read', true, true),
  0x30: transfer('write', false),
  0x31: transfer('write', false),
  0x34: transfer('write', true),
  0x39: transfer('write', true, true),
  0x40: transfer('verify', false),
  0x41: transfer('verify', false),
  0x42: transfer('verify', true),
  0xc4: transfer('read', false, true),
  0xc5: transfer('write', false, true),
};

/** SET FEATURES subcommands that are accepted and change nothing that can be seen. */
const QUIET_FEATURES = new Set([0x66, 0xcc]);

export interface AtaOptions {
  clock: Clock;
  irq: InterruptLine;
  disk: BlockDevice;
  /** Defaults to the one that the disk's partition table was made for. */
  geometry?: DiskGeometry;
}

export class Ata implements Device {
  readonly name = 'ata';
  readonly geometry: DiskGeometry;
  private readonly irq: InterruptLine;
  private readonly clock: Clock;
  private readonly disk: BlockDevice;
  private readonly timer: Timer;
  private state: AtaState;
  /** Commands without data, each ending the command by itself. */
  private readonly commands: Readonly<Record<number, () => void>>;

  constructor(options: AtaOptions) {
    this.clock = options.clock;
    this.irq = options.irq;
    this.disk = options.disk;
    this.geometry = options.geometry ?? geometryOf(options.disk);
    this.timer = options.clock.timer(() => this.proceed());
    this.state = this.powerOn();
    const done = (): void => this.schedule('finish', COMMAND_TIME);
    this.commands = {
      ...Object.fromEntries(Array.from({ length: 16 }, (_, i) => [0x10 + i, done])), // RECALIBRATE
      ...Object.fromEntries(Array.from({ length: 16 }, (_, i) => [0x70 + i, () => this.seek()])),
      0x27: () => this.nativeMax(true),
      0x91: () => this.initializeParameters(),
      0x94: done, // STANDBY IMMEDIATE and its neighbours, old codes and new
      0x95: done,
      0x96: done,
      0x97: done,
      0x98: () => this.checkPower(),
      0x99: done,
      0xc6: () => this.setMultiple(),
      0xe0: done,
      0xe1: done,
      0xe2: done,
      0xe3: done,
      0xe4: () => this.dataIn(this.state.buffer.length === SECTOR_SIZE ? this.state.buffer : new Uint8Array(SECTOR_SIZE)), // READ BUFFER
      0xe5: () => this.checkPower(),
      0xe6: done,
      0xe7: done, // FLUSH CACHE
      0xe8: () => this.writeBuffer(),
      0xea: done,
      0xec: () => this.identify(),
      0xef: () => this.setFeatures(),
      0xf8: () => this.nativeMax(false),
    };
  }

  attach(ports: PortBus): void {
    ports.connect(0x1f0, 1, { read: (_port, size) => this.readData(size), write: (_port, size, value) => this.writeData(size, value) }, 4);
    ports.connect(0x1f1, 7, { read: (port) => this.read(port & 7), write: (port, _size, value) => this.write(port & 7, value) });
    ports.connect(0x3f6, 1, { read: () => this.alternateStatus, write: (_port, _size, value) => this.writeControl(value) });
  }

  private powerOn(): AtaState {
    return {
      registers: [
        [0, 0],
        [1, 0],
        [1, 0],
        [0, 0],
        [0, 0],
      ],
      device: 0,
      control: 0,
      status: READY,
      error: 1,
      interrupt: false,
      pending: 'nothing',
      operation: 'none',
      lba: 0,
      remaining: 0,
      block: 1,
      addressing: 'chs',
      buffer: new Uint8Array(0),
      position: 0,
      multiple: MAX_MULTIPLE,
      current: this.geometry,
      writeCache: true,
      readLookAhead: true,
    };
  }

  /** Device 1 is selected and is not there: device 0 answers in its place, with a status and error of 0. */
  private get absent(): boolean {
    return (this.state.device & 0x10) !== 0;
  }

  private get alternateStatus(): number {
    return this.absent ? 0 : this.state.status;
  }

  private setInterrupt(asserted: boolean): void {
    this.state.interrupt = asserted;
    this.irq.set(asserted && !(this.state.control & 0x02));
  }

  /** @param register 1 to 7 */
  private read(register: number): number {
    const { state } = this;
    if (this.absent && (register === 1 || register === 7)) return 0;
    if (register === 7) {
      this.setInterrupt(false);
      return state.status;
    }
    if (register === 6) return state.device | 0xa0;
    if (register === 1) return state.error;
    // HOB shows what was written before the last byte.
    return state.registers[register - 1][state.control >>> 7];
  }

  private write(register: number, value: number): void {
    const { state } = this;
    // Any write to the command block clears HOB.
    state.control &= 0x7f;
    if (register === 7) {
      if (!this.absent || value === 0x90) this.command(value);
    } else if (register === 6) {
      state.device = value;
    } else {
      const pair = state.registers[register - 1];
      state.registers[register - 1] = [value, pair[0]];
    }
  }

  private writeControl(value: number): void {
    const { state } = this;
    const released = state.control & 0x04 && !(value & 0x04);
    state.control = value;
    if (value & 0x04) {
      this.timer.cancel();
      state.pending = 'nothing';
      state.operation = 'none';
      state.status = STATUS.busy;
    } else if (released) {
      state.status = STATUS.busy;
      state.pending = 'reset';
      this.timer.set(this.clock.now + COMMAND_TIME);
    }
    this.setInterrupt(value & 0x04 ? false : state.interrupt);
  }

  /** BSY for a while, then `pending`. */
  private schedule(pending: Pending, time: number): void {
    const { state } = this;
    state.status = STATUS.busy | (state.status & STATUS.seekComplete);
    state.pending = pending;
    this.timer.set(this.clock.now + time);
  }

  /** The registers after reset or EXECUTE DEVICE DIAGNOSTIC: passed, and the signature of a disk. */
  private signature(): void {
    const { state } = this;
    state.error = 0x01;
    state.device &= 0x10;
    [0, 1, 1, 0, 0].forEach((value, i) => {
      if (i) state.registers[i] = [value, 0];
    });
  }

  private finish(error = 0): void {
    const { state } = this;
    state.operation = 'none';
    state.error = error;
    state.status = READY | (error ? STATUS.error : 0);
    this.setInterrupt(true);
  }

  private abort(): void {
    this.finish(ERROR.aborted);
  }

  private command(command: number): void {
    const { state } = this;
    // A busy device takes nothing but a reset.
    if (state.status & STATUS.busy) return;
    this.setInterrupt(false);
    state.error = 0;
    state.operation = 'none';
    const kind = TRANSFERS[command];
    if (kind) this.startTransfer(kind);
    else if (command === 0x90) this.diagnose();
    else (this.commands[command] ?? (() => this.abort()))();
  }

  private diagnose(): void {
    this.signature();
    this.state.device = 0;
    this.schedule('reset', COMMAND_TIME);
    this.state.operation = 'verify';
  }

  private startTransfer({ operation, extended, multiple }: TransferKind): void {
    const { state } = this;
    if (multiple && !state.multiple) return this.abort();
    state.block = multiple ? state.multiple : 1;
    const count = state.registers[1];
    state.remaining = extended ? (count[1] << 8) | count[0] || 65536 : count[0] || 256;
    state.addressing = extended ? 'lba48' : state.device & 0x40 ? 'lba28' : 'chs';
    state.lba = this.address();
    state.operation = operation;
    if (state.lba < 0 || state.lba >= this.disk.sectors) return this.finish(ERROR.idNotFound);
    if (operation === 'write') {
      this.openWriteBlock();
      state.status = READY | STATUS.dataRequest;
    } else {
      this.schedule('load', COMMAND_TIME);
    }
  }

  /** The sector in the address registers, or -1 for an impossible cylinder, head or sector. */
  private address(): number {
    const { state } = this;
    const [, , low, mid, high] = state.registers;
    if (state.addressing === 'lba48') {
      return low[0] + mid[0] * 2 ** 8 + high[0] * 2 ** 16 + low[1] * 2 ** 24 + mid[1] * 2 ** 32 + high[1] * 2 ** 40;
    }
    if (state.addressing === 'lba28') return low[0] | (mid[0] << 8) | (high[0] << 16) | ((state.device & 15) << 24);
    const { heads, sectors, cylinders } = state.current;
    const head = state.device & 15;
    const cylinder = mid[0] | (high[0] << 8);
    if (low[0] === 0 || low[0] > sectors || head >= heads || cylinder >= cylinders) return -1;
    return (cylinder * heads + head) * sectors + low[0] - 1;
  }

  /** Puts a sector's address into the registers, in the way that the command gave it. */
  private showAddress(lba: number): void {
    const { state } = this;
    const { registers } = state;
    if (state.addressing === 'chs') {
      const { heads, sectors } = state.current;
      const cylinder = Math.floor(lba / (heads * sectors));
      registers[2][0] = (lba % sectors) + 1;
      registers[3][0] = cylinder & 0xff;
      registers[4][0] = cylinder >>> 8;
      state.device = (state.device & 0xf0) | (Math.floor(lba / sectors) % heads);
      return;
    }
    for (const [i, shift] of [0, 8, 16].entries()) registers[2 + i][0] = Math.floor(lba / 2 ** shift) & 0xff;
    if (state.addressing === 'lba28') state.device = (state.device & 0xf0) | ((lba >>> 24) & 15);
    else for (const [i, shift] of [24, 32, 40].entries()) registers[2 + i][1] = Math.floor(lba / 2 ** shift) & 0xff;
  }

  private get blockSectors(): number {
    return Math.min(this.state.block, this.state.remaining);
  }

  private openWriteBlock(): void {
    this.state.buffer = new Uint8Array(this.blockSectors * SECTOR_SIZE);
    this.state.position = 0;
  }

  /** BSY time is over. */
  private proceed(): void {
    const { state } = this;
    const { pending } = state;
    state.pending = 'nothing';
    switch (pending) {
      case 'finish':
        return this.finish();
      case 'offer':
        return this.offer();
      case 'load':
        return this.loadBlock();
      case 'store':
        return this.store();
      case 'reset': {
        // A diagnostic ends with an interrupt, a reset does not.
        const diagnostic = state.operation === 'verify';
        state.operation = 'none';
        this.signature();
        state.multiple = diagnostic ? state.multiple : MAX_MULTIPLE;
        state.status = READY;
        if (diagnostic) this.setInterrupt(true);
      }
    }
  }

  /** The buffer is full of data for the host. */
  private offer(): void {
    this.state.position = 0;
    this.state.status = READY | STATUS.dataRequest;
    this.setInterrupt(true);
  }

  /** Reads the next block of a transfer from the disk, or passes over it. */
  private loadBlock(): void {
    const { state } = this;
    if (state.operation === 'verify') {
      const good = Math.min(state.remaining, this.disk.sectors - state.lba);
      this.moveOn(good);
      return this.finish(state.remaining ? ERROR.idNotFound : 0);
    }
    const count = this.blockSectors;
    const good = Math.min(count, this.disk.sectors - state.lba);
    if (good <= 0) return this.finish(ERROR.idNotFound);
    state.buffer = this.disk.read(state.lba, good);
    this.moveOn(good);
    this.offer();
  }

  /** Counts sectors as done; the registers show the last one, or the first that is not there. */
  private moveOn(count: number): void {
    const { state } = this;
    state.lba += count;
    state.remaining -= count;
    const left = state.remaining;
    this.showAddress(left && state.lba >= this.disk.sectors ? state.lba : state.lba - 1);
    state.registers[1] = state.addressing === 'lba48' ? [left & 0xff, (left >>> 8) & 0xff] : [left & 0xff, state.registers[1][1]];
  }

  /** Puts a block that the host has filled onto the disk. */
  private store(): void {
    const { state } = this;
    const count = state.buffer.length / SECTOR_SIZE;
    const good = Math.min(count, this.disk.sectors - state.lba);
    if (good > 0) this.disk.write(state.lba, state.buffer.subarray(0, good * SECTOR_SIZE));
    this.moveOn(good);
    if (good < count) return this.finish(ERROR.idNotFound);
    if (state.remaining === 0) return this.finish();
    if (state.lba >= this.disk.sectors) return this.finish(ERROR.idNotFound);
    this.openWriteBlock();
    state.status = READY | STATUS.dataRequest;
    this.setInterrupt(true);
  }

  private get transferring(): boolean {
    return !this.absent && (this.state.status & STATUS.dataRequest) !== 0;
  }

  private readData(size: AccessSize): number {
    const { state } = this;
    if (!this.transferring || state.operation === 'write' || state.operation === 'write-buffer') return 0;
    const { buffer } = state;
    let value = 0;
    // A byte read takes a whole word off the 16-bit bus.
    for (let i = 0; i < size; i++) value += (buffer[state.position + i] ?? 0) * 2 ** (8 * i);
    state.position += Math.max(2, size);
    if (state.position >= buffer.length) this.blockRead();
    return value;
  }

  private blockRead(): void {
    const { state } = this;
    if (state.operation === 'read' && state.remaining > 0) return this.schedule('load', BLOCK_TIME);
    state.operation = 'none';
    state.status = READY;
  }

  private writeData(size: AccessSize, value: number): void {
    const { state } = this;
    if (!this.transferring || (state.operation !== 'write' && state.operation !== 'write-buffer')) return;
    for (let i = 0; i < size; i++) {
      if (state.position + i < state.buffer.length) state.buffer[state.position + i] = (value >>> (8 * i)) & 0xff;
    }
    state.position += Math.max(2, size);
    if (state.position < state.buffer.length) return;
    this.schedule(state.operation === 'write' ? 'store' : 'finish', BLOCK_TIME);
  }

  private dataIn(bytes: Uint8Array): void {
    this.state.buffer = bytes.slice();
    this.state.operation = 'data-in';
    this.schedule('offer', COMMAND_TIME);
  }

  private writeBuffer(): void {
    const { state } = this;
    state.operation = 'write-buffer';
    state.remaining = 1;
    state.block = 1;
    this.openWriteBlock();
    state.status = READY | STATUS.dataRequest;
  }

  private identify(): void {
    const { multiple, current, writeCache, readLookAhead } = this.state;
    const { sectors } = this.disk;
    this.dataIn(identity({ sectors, geometry: this.geometry, current, multiple, writeCache, readLookAhead }));
  }

  private seek(): void {
    const { state } = this;
    state.addressing = state.device & 0x40 ? 'lba28' : 'chs';
    const lba = this.address();
    if (lba < 0 || lba >= this.disk.sectors) this.finish(ERROR.idNotFound);
    else this.schedule('finish', COMMAND_TIME);
  }

  private nativeMax(extended: boolean): void {
    const { state } = this;
    const last = Math.min(this.disk.sectors, extended ? Infinity : LBA28_SECTORS) - 1;
    state.addressing = extended ? 'lba48' : 'lba28';
    this.showAddress(last);
    this.schedule('finish', COMMAND_TIME);
  }

  /** INITIALIZE DEVICE PARAMETERS: heads and sectors of the translation that the host wants. */
  private initializeParameters(): void {
    const { state } = this;
    const sectors = state.registers[1][0];
    const heads = (state.device & 15) + 1;
    const cylinders = sectors ? Math.min(65_535, Math.floor(this.disk.sectors / (heads * sectors))) : 0;
    state.current = { cylinders, heads, sectors };
    if (cylinders) this.schedule('finish', COMMAND_TIME);
    else this.abort();
  }

  private checkPower(): void {
    // Active or idle.
    this.state.registers[1][0] = 0xff;
    this.schedule('finish', COMMAND_TIME);
  }

  private setMultiple(): void {
    const { state } = this;
    const count = state.registers[1][0];
    if (count > MAX_MULTIPLE || (count & (count - 1)) !== 0) return this.abort();
    state.multiple = count;
    this.schedule('finish', COMMAND_TIME);
  }

  private setFeatures(): void {
    const { state } = this;
    const feature = state.registers[0][0];
    const mode = state.registers[1][0];
    // Transfer modes: default PIO, and PIO with flow control up to mode 4.
    if (feature === 0x03 && !(mode <= 1 || (mode >= 8 && mode <= 12))) return this.abort();
    else if (feature === 0x02 || feature === 0x82) state.writeCache = feature === 0x02;
    else if (feature === 0xaa || feature === 0x55) state.readLookAhead = feature === 0xaa;
    else if (feature !== 0x03 && !QUIET_FEATURES.has(feature)) return this.abort();
    this.schedule('finish', COMMAND_TIME);
  }

  reset(): void {
    this.timer.cancel();
    this.state = this.powerOn();
    this.setInterrupt(false);
  }

  save(): { state: AtaState; disk: unknown } {
    return { state: structuredClone(this.state), disk: this.disk.save() };
  }

  load(saved: { state: AtaState; disk: unknown }): void {
    this.state = structuredClone(saved.state);
    this.disk.load(saved.disk);
    this.setInterrupt(this.state.interrupt);
  }

  inspect(): readonly DeviceFact[] {
    const { state, geometry } = this;
    const { cylinders, heads, sectors } = geometry;
    return [
      {
        name: 'disk',
        value: `${this.disk.sectors} sectors`,
        meaning: `${cylinders} cylinders, ${heads} heads, ${sectors} sectors a track`,
      },
      { name: 'status', value: hex(this.alternateStatus), meaning: bits(this.alternateStatus, STATUS_NAMES) },
      { name: 'error', value: hex(state.error), meaning: state.status & STATUS.error ? bits(state.error, ERROR_NAMES) : 'no error' },
      { name: 'device', value: hex(state.device), meaning: `device ${(state.device >>> 4) & 1}, ${state.device & 0x40 ? 'LBA' : 'CHS'}` },
      { name: 'control', value: hex(state.control), meaning: bits(state.control, ['', 'nIEN', 'SRST', '', '', '', '', 'HOB']) },
      { name: 'operation', value: state.operation, meaning: `next sector ${state.lba}, ${state.remaining} left` },
      { name: 'INTRQ', value: state.interrupt ? 'asserted' : 'idle' },
    ];
  }
}
