/** The adapter over stdio, request by request. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import { Client } from './adapter-process';
import { GUESTS } from './transcript';

const guest = (name: string): string => resolve(GUESTS, `${name}.asm`);

/** Line of a guest's source that holds some text, from 1. */
function lineOf(name: string, text: string): number {
  const lines = readFileSync(guest(name), 'utf8').split('\n');
  const index = lines.findIndex((line) => line.includes(text));
  if (index < 0) throw new Error(`${name} has no '${text}'`);
  return index + 1;
}

let client: Client;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringside-dap-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  client = await Client.start();
});
afterEach(() => client.stop());

const enter = (name: string, more: Record<string, unknown> = {}) =>
  client.stopAfter(() => client.begin({ program: guest(name), stopOnEntry: true, ...more }));

type Breakpoints = { breakpoints: P.Breakpoint[] };

const setLines = (name: string, breakpoints: P.SourceBreakpoint[]) =>
  client.ask<Breakpoints>('setBreakpoints', { source: { path: guest(name) }, breakpoints });

const output = (category: string): string =>
  client.events
    .filter(({ event, body }) => event === 'output' && body.category === category)
    .map(({ body }) => body.output)
    .join('');

describe('starting', () => {
  it('offers what it can do', async () => {
    const { body } = await client.initializeRequest();
    expect(body).toMatchObject({ supportsDisassembleRequest: true, supportsDataBreakpoints: true, supportsExceptionFilterOptions: true });
    const filters = body?.exceptionBreakpointFilters?.map(({ filter }) => filter);
    expect(filters).toEqual(
      expect.arrayContaining([
        '#DE',
        '#GP',
        '#PF',
        '#XM',
        'ring-change',
        'iret',
        'int',
        'port',
        'control-register',
        'triple-fault',
        'opcode',
      ]),
    );
    expect(await client.failure('initialize', { adapterID: 'x' })).toBe('initialize was sent already');
  });

  it('refuses to attach', async () => {
    await client.initializeRequest();
    expect(await client.failure('attach', {})).toBe('attaching to a running guest is not supported');
  });

  it('tells every error of a source, with its place', async () => {
    const program = join(folder, 'wrong.asm');
    writeFileSync(program, 'bits 16\nmov ax, \nnop\nwibble bx\njmp nowhere\n');
    await client.initializeRequest();
    const message = await client.failure('launch', { program });
    expect(message).toMatch(/^3 errors; the first: .*wrong\.asm:2:\d+: [^\n]+$/);
    const errors = client.events.filter(({ body }) => body.category === 'stderr').map(({ body }) => body);
    expect(errors.map(({ line, source }) => [line, source.path])).toEqual([2, 4, 5].map((line) => [line, program]));
    for (const { column, output: text } of errors) {
      expect(column).toBeGreaterThan(0);
      expect(text).toMatch(/^[^\n]+\n$/);
    }
  });

  it.each([
    ['nothing at all', {}, /^nothing to run/],
    ['a file that is not there', { program: '/nowhere/x.asm' }, /x\.asm: the file cannot be read/],
    ['a folder', { program: '/tmp' }, /cannot be read/],
    ['an unknown attribute', { program: guest('halt'), stopAtEntry: true }, /'stopAtEntry' does not exist; did you mean 'stopOnEntry'/],
    ['an engine that is not there yet', { program: guest('halt'), engine: 'container' }, /^not implemented/],
    [
      'symbols of a side that is none',
      { program: guest('halt'), symbolFiles: [{ path: 'x', operation: 'guest' }] },
      /'symbolFiles' must be a list of/,
    ],
    ['a side that is none', { program: guest('halt'), breakpointsIn: 'guest' }, /'breakpointsIn' must be one of root, non-root, both/],
    ['a breakOn that is no place', { program: guest('halt'), breakOn: ['nowhere'] }, /'breakOn': 'nowhere': column 1/],
  ])('refuses %s in one line, and takes another launch', async (_name, args, message) => {
    await client.initializeRequest();
    const said = await client.failure('launch', args);
    expect(said).toMatch(message);
    expect(said).not.toContain('\n');
    await client.ask('launch', { program: guest('halt') });
  });

  it('runs to the end without debugging', async () => {
    const ended = client.waitForEvent('terminated');
    const exited = client.waitForEvent('exited');
    await client.begin({ program: guest('real'), noDebug: true, stopOnEntry: true }, async () => {
      const { breakpoints } = await setLines('real', [{ line: lineOf('real', 'call outer') }]);
      expect(breakpoints).toMatchObject([{ verified: false }]);
    });
    expect((await exited).body).toEqual({ exitCode: 1 });
    await ended;
    expect(output('stdout')).toBe('k\n');
  });

  it('stops where breakOn says', async () => {
    const stop = await client.stopAfter(() => client.begin({ program: guest('real'), breakOn: ['recurse', '#UD'] }));
    expect(stop.reason).toBe('function breakpoint');
    expect((await client.frames())[0].name).toBe('recurse');
  });

  it('knows the requests that come too early from those that come twice', async () => {
    expect(await client.failure('launch', { program: guest('halt') })).toBe('send initialize first');
    await client.initializeRequest();
    for (const [command, args] of Object.entries({
      threads: {},
      stackTrace: { threadId: 1 },
      setBreakpoints: { source: { path: 'x' } },
      continue: { threadId: 1 },
      configurationDone: {},
      terminate: {},
      evaluate: { expression: '1' },
      'ringside/state': {},
    })) {
      expect(await client.failure(command, args), command).toBe('no program is launched yet');
    }
    await client.ask('launch', { program: guest('loop') });
    expect(await client.failure('launch', { program: guest('loop') })).toMatch(/launched already/);
    await client.ask('configurationDone', {});
    expect(await client.failure('configurationDone', {})).toBe('configurationDone was sent already');
    expect(await client.failure('next', { threadId: 1 })).toBe('the guest is running; pause it first');
    expect(await client.failure('stackTrace', { threadId: 1 })).toBe('the guest is running; pause it first');
    await client.run('pause');
    expect(await client.failure('next', { threadId: 7 })).toBe('there is no thread 7');
    expect(await client.failure('scopes', { frameId: 999 })).toMatch(/frame 999 is no longer valid/);
    expect(await client.failure('variables', { variablesReference: 999 })).toMatch(/variables reference 999/);
    expect(await client.failure('exceptionInfo', { threadId: 1 })).toBe('the guest did not stop at an exception');
    expect(await client.failure('source', { sourceReference: 1 })).toMatch(/no source 1/);
    expect(await client.failure('stepOut', { threadId: 1 })).toMatch(/no return address is known here/);
  });
});

describe('running', () => {
  it('answers while the guest runs, and pauses', async () => {
    await client.begin({ program: guest('loop') });
    const { threads } = await client.ask<P.ThreadsResponse['body']>('threads');
    expect(threads).toEqual([{ id: 1, name: 'vCPU 0' }]);
    expect((await client.run('pause')).reason).toBe('pause');
    const before = await client.register('dword [count]');
    await client.ask('continue', { threadId: 1 });
    expect((await client.run('pause')).reason).toBe('pause');
    expect(await client.register('dword [count]')).toBeGreaterThan(before);
  });

  it('takes breakpoints while the guest runs', async () => {
    await client.begin({ program: guest('loop') });
    const stop = await client.stopAfter(() => setLines('loop', [{ line: lineOf('loop', 'inc ecx') }]));
    expect(stop.reason).toBe('breakpoint');
    await setLines('loop', []);
    await client.ask('continue', { threadId: 1 });
    expect((await client.run('pause')).reason).toBe('pause');
  });

  it('ends on request while the guest runs', async () => {
    await client.begin({ program: guest('loop') });
    const ended = client.waitForEvent('terminated');
    await client.ask('terminate', {});
    await ended;
    expect(await client.failure('continue', { threadId: 1 })).toBe('the guest has ended');
    expect(await client.failure('pause', { threadId: 1 })).toBe('the guest has ended');
  });

  it('says that a guest has halted for good', async () => {
    const stop = await client.stopAfter(() => client.begin({ program: guest('halt') }));
    expect(stop).toMatchObject({ reason: 'halted', text: expect.stringMatching(/nothing to wake it/) });
    expect(await client.run('continue')).toMatchObject({ reason: 'halted' });
  });

  it('waits with an idle guest, wakes it by input, and tells its exit code', async () => {
    let serial = '';
    client.on('ringside/serial', ({ body }: P.Event) => {
      serial += Buffer.from(body.bytes, 'base64').toString('latin1');
    });
    const heard = (text: string) =>
      new Promise<void>((resume) => {
        const look = () => (serial.endsWith(text) ? resume() : void client.once('ringside/serial', look));
        look();
      });
    const exited = client.waitForEvent('exited');
    await client.begin({ program: guest('idle') });
    const type = (text: string) => client.ask('ringside/input', { kind: 'serial', port: 0, bytes: Buffer.from(text).toString('base64') });
    await type('a');
    await heard('b');
    await type('G');
    await heard('bH');
    await type('q');
    expect((await exited).body).toEqual({ exitCode: 7 });
    expect(serial).toBe('bHr');
  });

  it('steps past HLT into what wakes the guest, or over it', async () => {
    await enter('idle');
    await client.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'wait_for_it' }] });
    await client.run('continue');
    await client.ask('setFunctionBreakpoints', { breakpoints: [] });
    await client.run('next');
    expect((await client.frames())[0].name).toBe('woken');
    await client.run('next');
    expect((await client.frames())[0].line).toBe(lineOf('idle', 'mov dx, 0x3fd'));
  });

  it('stops before a triple fault resets the machine', async () => {
    await enter('triple');
    await client.ask('setExceptionBreakpoints', { filters: ['triple-fault'] });
    expect(await client.run('continue')).toMatchObject({ reason: 'exception', description: 'Triple fault' });
    expect(await client.ask('exceptionInfo', { threadId: 1 })).toMatchObject({ exceptionId: 'triple fault', breakMode: 'always' });
    const exited = client.waitForEvent('exited');
    await client.ask('continue', { threadId: 1 });
    expect((await exited).body).toEqual({ exitCode: 3 });
  });

  it('ends at a triple fault where that filter is off', async () => {
    await enter('triple');
    await client.ask('setExceptionBreakpoints', { filters: [] });
    const exited = client.waitForEvent('exited');
    await client.ask('continue', { threadId: 1 });
    expect((await exited).body).toEqual({ exitCode: 3 });
  });

  it('holds an exception back and delivers it when the guest goes on', async () => {
    await enter('triple');
    await client.ask('setExceptionBreakpoints', { filters: ['#UD', '#DF', 'triple-fault'] });
    expect(await client.run('continue')).toMatchObject({ reason: 'exception', description: '#UD' });
    expect((await client.frames())[0].name).toBe('fault');
    expect(await client.run('continue')).toMatchObject({ reason: 'exception', description: 'Triple fault' });
  });

  it('goes to another line', async () => {
    await enter('real');
    const line = lineOf('real', 'mov dx, 0xe9');
    const { targets } = await client.ask<P.GotoTargetsResponse['body']>('gotoTargets', { source: { path: guest('real') }, line });
    expect(targets).toMatchObject([{ line }]);
    const stop = await client.stopAfter(() => client.ask('goto', { threadId: 1, targetId: targets[0].id }));
    expect(stop.reason).toBe('goto');
    expect((await client.frames())[0].line).toBe(line);
    const exited = client.waitForEvent('exited');
    await client.ask('continue', { threadId: 1 });
    await exited;
    expect(output('stdout')).toBe('k\n');
  });

  it('starts anew with the source as it is now', async () => {
    const program = join(folder, 'edited.asm');
    const source = (value: number) => `org 0x7c00\nbits 16\nmov bx, ${value}\nhere: nop\ncli\nhlt\n`;
    writeFileSync(program, source(1));
    await client.stopAfter(() =>
      client.begin({ program }, () => client.ask('setBreakpoints', { source: { path: program }, breakpoints: [{ line: 4 }] })),
    );
    expect(await client.register('bx')).toBe(1);
    writeFileSync(program, source(2));
    const changed = client.waitForEvent('breakpoint');
    expect((await client.stopAfter(() => client.ask('restart', {}))).reason).toBe('breakpoint');
    expect((await changed).body).toMatchObject({ reason: 'changed', breakpoint: { verified: true, line: 4 } });
    expect(await client.register('bx')).toBe(2);
  });
});

describe('breakpoints', () => {
  it('move to the next code, and say so', async () => {
    await client.begin({ program: guest('real') }, async () => {
      const macro = lineOf('real', '%macro');
      const { breakpoints } = await setLines('real', [{ line: macro }, { line: lineOf('real', 'text: db') }, { line: 10_000 }]);
      const [moved, data, beyond] = breakpoints;
      expect(moved).toMatchObject({
        verified: true,
        line: lineOf('real', 'xor ax, ax'),
        message: expect.stringMatching(/^moved from line/),
      });
      expect(data).toMatchObject({ verified: false, message: expect.stringMatching(/^no code at or below/) });
      expect(beyond).toMatchObject({ verified: false });
      const other = await client.ask<Breakpoints>('setBreakpoints', {
        source: { path: '/elsewhere/other.asm' },
        breakpoints: [{ line: 1 }],
      });
      expect(other.breakpoints).toMatchObject([{ verified: false, message: 'the program has no code from this file' }]);
      const { breakpoints: places } = await client.ask<Breakpoints>('breakpointLocations', {
        source: { path: guest('real') },
        line: lineOf('real', 'outer:'),
        endLine: lineOf('real', 'inner:'),
      });
      expect(places.map(({ line }) => line)).toEqual(
        ['push bp', 'mov bp, sp', 'call inner', 'pop bp'].map((text) => lineOf('real', text)).concat(lineOf('real', 'pop bp') + 1),
      );
    });
  });

  it('stop by condition and hit count, and log', async () => {
    await enter('loop');
    const line = lineOf('loop', 'mov [count], ecx');
    const hit = async (breakpoint: Partial<P.SourceBreakpoint>) => {
      await setLines('loop', [{ line, ...breakpoint }]);
      await client.run('continue');
      return client.register('ecx');
    };
    expect(await hit({ condition: 'ecx == 100' })).toBe(100);
    expect(await hit({ hitCondition: '10' })).toBe(110);
    expect(await hit({ hitCondition: '% 7' })).toBe(117);
    expect(await hit({ condition: 'ecx % 1000 == 0', hitCondition: '= 3' })).toBe(3000);
    await setLines('loop', [
      { line, logMessage: 'ecx is {ecx}, count {{}} {dword [count]} {nothing', hitCondition: '<= 2' },
      { line: line + 2, condition: 'ecx == 3005' },
    ]);
    expect(output('console')).toBe('');
    const { breakpoints } = await setLines('loop', [
      { line, logMessage: 'ecx is {ecx}, count {{}} {dword [count]}', condition: 'ecx >= 3003', hitCondition: '<= 2' },
      { line: line + 2, condition: 'ecx == 3005' },
    ]);
    expect(breakpoints.every(({ verified }) => verified)).toBe(true);
    await client.run('continue');
    expect(await client.register('ecx')).toBe(3005);
    expect(output('console')).toBe('ecx is 0x00000bbb, count {} 0x00000bba\necx is 0x00000bbc, count {} 0x00000bbb\n');
  });

  it('refuse conditions that are wrong', async () => {
    await enter('loop');
    const line = lineOf('loop', 'inc ecx');
    const { breakpoints } = await setLines('loop', [
      { line, condition: 'ecx ==' },
      { line, condition: 'nothing' },
      { line, hitCondition: 'often' },
      { line, logMessage: '{ecx' },
      { line, condition: 'ecx = 1' },
    ]);
    expect(breakpoints.map(({ verified }) => verified)).toEqual([false, false, false, false, false]);
    for (const { message } of breakpoints) expect(message).toMatch(/^[^\n]{10,}$/);
  });

  it('stop and tell where a condition cannot be evaluated', async () => {
    await enter('loop');
    await setLines('loop', [{ line: lineOf('loop', 'inc ecx'), condition: '1 / ecx == 7' }]);
    await client.run('continue');
    expect(output('console')).toMatch(/^condition '1 \/ ecx == 7': column 3: division by zero\n$/);
  });

  it('stand at instructions and at functions', async () => {
    await enter('loop');
    const { breakpoints } = await client.ask<Breakpoints>('setFunctionBreakpoints', {
      breakpoints: [{ name: 'second' }, { name: '0x7c00+4' }, { name: 'nobody' }],
    });
    expect(breakpoints.map(({ verified }) => verified)).toEqual([true, true, false]);
    const [first] = breakpoints;
    const stop = await client.run('continue');
    expect([stop.reason, stop.hitBreakpointIds]).toEqual(['function breakpoint', [breakpoints[1].id]]);
    await client.ask('setFunctionBreakpoints', { breakpoints: [] });
    await client.ask('setInstructionBreakpoints', { breakpoints: [{ instructionReference: first.instructionReference, offset: 0 }] });
    expect((await client.run('continue')).reason).toBe('instruction breakpoint');
    expect((await client.frames())[0].name).toBe('second');
    expect(
      (await client.ask<Breakpoints>('setInstructionBreakpoints', { breakpoints: [{ instructionReference: 'here' }] })).breakpoints,
    ).toMatchObject([{ verified: false }]);
  });

  it('watch data', async () => {
    await enter('loop');
    const info = await client.ask<P.DataBreakpointInfoResponse['body']>('dataBreakpointInfo', { name: 'dword [count]' });
    expect(info).toMatchObject({ dataId: expect.stringMatching(/^linear:0x[0-9a-f]+\/4$/), accessTypes: ['read', 'write', 'readWrite'] });
    const watch = (accessType: string, more = {}) =>
      client.ask<Breakpoints>('setDataBreakpoints', { breakpoints: [{ dataId: info.dataId, accessType, ...more }] });
    const { breakpoints } = await watch('write', { condition: '$write' });
    const stop = await client.run('continue');
    expect([stop.reason, stop.hitBreakpointIds]).toEqual(['data breakpoint', [breakpoints[0].id]]);
    // After the instruction that wrote.
    expect((await client.frames())[0].name).toBe('second');
    await watch('read');
    await client.run('continue');
    expect((await client.frames())[0].name).toMatch(/^second\+/);
    expect(await client.ask('dataBreakpointInfo', { name: 'ecx' })).toMatchObject({ dataId: null });
    expect((await client.ask<Breakpoints>('setDataBreakpoints', { breakpoints: [{ dataId: 'x' }] })).breakpoints).toMatchObject([
      { verified: false },
    ]);
  });
});

describe('memory', () => {
  it('is read and written by reference, in two spaces', async () => {
    await enter('loop');
    const source = readFileSync(guest('loop'));
    expect(source.length).toBeGreaterThan(0);
    const read = (memoryReference: string, count: number, offset = 0) =>
      client.ask<{ address: string; data?: string; unreadableBytes?: number }>('readMemory', { memoryReference, count, offset });
    expect(await read('linear:0x7c00', 2)).toEqual({ address: '0x7c00', data: Buffer.of(0x31, 0xc0).toString('base64') });
    expect((await read('phys:0x7b00', 2, 0x100)).data).toBe(Buffer.of(0x31, 0xc0).toString('base64'));
    expect(await read('linear:0xfffffffe', 4)).toMatchObject({ unreadableBytes: 2 });
    expect(await read('linear:0x0', 4, -8)).toMatchObject({ data: '', unreadableBytes: 4 });
    const memory = client.waitForEvent('memory');
    const invalidated = client.waitForEvent('invalidated');
    expect(await client.ask('writeMemory', { memoryReference: 'phys:0x9000', data: Buffer.from('abcd').toString('base64') })).toEqual({
      bytesWritten: 4,
    });
    expect((await memory).body).toEqual({ memoryReference: 'phys:0x9000', offset: 0, count: 4 });
    expect((await invalidated).body.areas).toContain('variables');
    expect(await client.evaluate('dword [linear:0x9000]')).toBe('0x64636261');
    const data = Buffer.alloc(8, 1).toString('base64');
    expect(await client.failure('writeMemory', { memoryReference: 'linear:0xfffffffe', data })).toMatch(/only 2 of 8 bytes/);
    expect(await client.failure('readMemory', { memoryReference: 'host:0', count: 1 })).toMatch(/is no memory reference/);
    expect(await client.failure('readMemory', { memoryReference: 'linear:0', count: 2 ** 40 })).toMatch(/too many at once/);
  });

  it('registers and flags change by hand', async () => {
    await enter('loop');
    const [frame] = await client.frames();
    const { scopes } = await client.ask<P.ScopesResponse['body']>('scopes', { frameId: frame.id });
    const reference = (name: string) => scopes.find((scope) => scope.name === name)?.variablesReference;
    const set = (scope: string, name: string, value: string) =>
      client.ask<P.SetVariableResponse['body']>('setVariable', { variablesReference: reference(scope), name, value });
    expect(await set('Registers', 'ebx', 'ecx + 0x10')).toMatchObject({ value: expect.stringMatching(/^0x[0-9a-f]{8}$/) });
    expect((await set('Registers', 'ebx', '-1')).value).toBe('0xffffffff');
    expect((await set('Flags', 'CF', '1  (carry)')).value).toBe('1  (carry)');
    expect(await client.register('cf')).toBe(1);
    expect((await set('Segments', 'es', '0x1234')).value).toBe('0x1234');
    expect(await client.evaluate('es.base')).toBe('0x00012340');
    expect(await client.failure('setVariable', { variablesReference: reference('Registers'), name: 'ebx', value: 'x y' })).toMatch(
      /^column 3/,
    );
    expect(await client.failure('setVariable', { variablesReference: reference('Registers'), name: 'nope', value: '1' })).toMatch(
      /no 'nope'/,
    );
    const { variables } = await client.ask<P.VariablesResponse['body']>('variables', { variablesReference: reference('Segments') });
    const children = variables.find(({ name }) => name === 'cs')?.variablesReference;
    expect(await client.failure('setVariable', { variablesReference: children, name: 'base', value: '1' })).toMatch(/hidden part/);
  });
});

describe('disassembly', () => {
  type Lines = { instructions: P.DisassembledInstruction[] };
  const ask = (memoryReference: string, instructionOffset: number, instructionCount: number, offset = 0) =>
    client
      .ask<Lines>('disassemble', { memoryReference, offset, instructionOffset, instructionCount })
      .then(({ instructions }) => instructions);

  it('gives exactly what is asked for, in both directions, and the same each time', async () => {
    await enter('real');
    const here = 'linear:0x7c00';
    const whole = await ask(here, -1200, 2400);
    expect(whole).toHaveLength(2400);
    expect(whole[1200]).toMatchObject({ address: '0x00007c00', instruction: 'xor ax, ax', symbol: 'start' });
    const addresses = whole.map(({ address }) => Number(address));
    expect(addresses.every((address, i) => i === 0 || address > addresses[i - 1])).toBe(true);
    for (const [skip, count] of [
      [-1200, 50],
      [-400, 400],
      [-50, 100],
      [-1, 1],
      [0, 1],
      [7, 20],
      [300, 50],
    ]) {
      const part = await ask(here, skip, count);
      expect(part.map(({ address, instruction }) => [address, instruction])).toEqual(
        whole.slice(1200 + skip, 1200 + skip + count).map(({ address, instruction }) => [address, instruction]),
      );
    }
  });

  it('is exact backwards where code has run', async () => {
    await enter('real');
    await client.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'handler' }] });
    await client.run('continue');
    const forwards = await ask('linear:0x7c00', 0, 40);
    for (let back = 1; back < 40; back++) {
      const reference = `linear:${forwards[back].address}`;
      expect((await ask(reference, -back, back)).map(({ address }) => address)).toEqual(
        forwards.slice(0, back).map(({ address }) => address),
      );
    }
  });

  it('is exact backwards where code without symbols has run', async () => {
    // Bytes that no straight decoding gets over: each begins an instruction that swallows the next real one.
    const traps = ['0xb8', '0x66, 0x0f', '0xe8, 0x00', '0x81', '0xc7, 0x06'];
    const text = [
      'org 0x7c00',
      'bits 16',
      'start:',
      ...traps.flatMap((bytes, i) => [`mov dx, ${i}`, `jmp l${i}`, `db ${bytes}`, `l${i}: inc cx`]),
      'cli',
      'hlt',
      'times 510-($-$$) db 0',
      'dw 0xaa55',
    ];
    const { image, lines } = assemble({ path: 'x.asm', text: text.join('\n') });
    const program = join(folder, 'traps.img');
    writeFileSync(program, image);
    await client.stopAfter(() => client.begin({ program }));
    const starts = lines.filter(({ bits }) => bits !== undefined).map(({ address }) => address);
    const last = starts[starts.length - 1];
    const shown = await ask(`linear:0x${last.toString(16)}`, -40, 40);
    const addresses = new Set(shown.map(({ address }) => Number(address)));
    expect(starts.slice(-15, -1).filter((address) => !addresses.has(address))).toEqual([]);
    const instructions = shown.map(({ instruction }) => instruction);
    for (const i of [1, 2, 3, 4]) expect(instructions).toContain(`mov dx, 0x${i}`);
    expect(instructions.filter((instruction) => instruction === 'inc cx').length).toBeGreaterThanOrEqual(4);
  });

  it('pads what lies outside memory', async () => {
    await enter('halt');
    const before = await ask('linear:0x0', -5, 5);
    expect(before.map(({ presentationHint }) => presentationHint)).toEqual(Array.from({ length: 5 }, () => 'invalid'));
    const behind = await ask('linear:0xffffffff', 1, 5);
    expect(behind.map(({ instruction }) => instruction)).toEqual(Array.from({ length: 5 }, () => 'invalid'));
    expect(new Set(behind.map(({ address }) => address)).size).toBe(5);
    expect(await ask('linear:0x7c00', 0, 0)).toEqual([]);
    expect(await client.failure('disassemble', { memoryReference: 'linear:0', instructionCount: 10 ** 9 })).toMatch(/too many/);
  });
});

describe('the panels', () => {
  it('have the instruction mix of a profiled guest', async () => {
    await enter('rings', { profile: true });
    const { stats } = await client.ask<any>('ringside/state');
    expect(stats.instructionsByMnemonic.mov).toBeGreaterThan(0);
    expect(stats.instructionsByClass.moves).toBeGreaterThanOrEqual(stats.instructionsByMnemonic.mov);
  });

  it('see the state after each stop', async () => {
    const state = client.waitForEvent('ringside/state');
    await enter('rings');
    expect((await state).body).toMatchObject({ technique: 'emulator' });
    await client.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'system_call' }] });
    await client.run('continue');
    const now = await client.ask<any>('ringside/state');
    expect(now).toMatchObject({ running: false, reason: 'function breakpoint', terminated: false });
    const [cpu] = now.vcpus;
    expect(cpu).toMatchObject({ threadId: 1, bits: 32, place: { ring: 0, mode: 'protected-32' }, at: { symbol: 'system_call' } });
    expect(cpu.lastTransition).toMatchObject({
      kind: 'gate',
      cause: { name: 'INT 0x80' },
      from: { ring: 3 },
      to: { ring: 0 },
      targetAt: { symbol: 'system_call' },
    });
    expect(cpu.lastTransition.checks.length).toBeGreaterThan(0);
    expect(cpu.changed.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(['eip', 'esp', 'cs']));
    const { rings } = cpu;
    expect(rings).toMatchObject({ ring: 0, mode: 'protected-32', task: { selector: 0x38 } });
    expect(rings.rings[0].code).toMatchObject([{ state: 'current', frame: 'system_call' }]);
    expect(rings.rings[3].code).toMatchObject([{ state: 'interrupted', frame: 'program+0x7' }]);
    expect(rings.rings[0].stack).toMatchObject({ source: 'current', selector: '0x0010' });
    expect(rings.rings[3].stack).toMatchObject({ source: 'saved', pointer: '0x0000b000' });
    expect(rings.rings[0].segments.map(({ type, heldBy }: any) => [type, heldBy])).toEqual(
      expect.arrayContaining([
        ['32-bit code, execute/read', ['cs']],
        ['32-bit data, read/write', ['ss']],
        ['busy 32-bit TSS', ['tr']],
      ]),
    );
    const gates = rings.rings[3].gates;
    expect(gates.map(({ table, type, target }: any) => [table, type, target.at.symbol, target.ring])).toEqual(
      expect.arrayContaining([
        ['GDT', '32-bit call gate', 'service', 1],
        ['IDT', '32-bit interrupt gate', 'system_call', 0],
      ]),
    );
    expect(rings.tables.map(({ name }: { name: string }) => name)).toEqual(['GDT', 'IDT']);
  });

  it('see the stack that the task state segment holds for an inner ring', async () => {
    await enter('rings');
    await client.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'program' }] });
    await client.run('continue');
    const { vcpus } = await client.ask<any>('ringside/state');
    expect(vcpus[0].rings.rings[0].stack).toMatchObject({ source: 'tss', selector: '0x0010', pointer: '0x00009000' });
    expect(vcpus[0].rings.rings[1].stack).toMatchObject({ source: 'tss', selector: '0x0021', pointer: '0x0000a000' });
    expect(vcpus[0].rings.rings[2].stack).toBeUndefined();
  });

  it('page through the trap log, filtered', async () => {
    await enter('rings');
    await client.ask('setExceptionBreakpoints', { filters: ['#GP'] });
    await client.run('continue');
    const page = (filter?: object, start = 0, count = 1000) => client.ask<any>('ringside/transitions', { start, count, filter });
    const all = await page();
    expect(all.matching).toBe(all.total - all.first);
    expect(all.rows.map(({ sequence }: any) => sequence)).toEqual(Array.from({ length: all.total }, (_, i) => i));
    for (const filter of [
      { kinds: ['gate'] },
      { causes: ['INT 0x80'] },
      { rings: [3] },
      { kinds: ['return'], rings: [1] },
      { changesOnly: true },
      { vcpus: [1] },
      { kinds: [] },
    ]) {
      const some = await page(filter);
      const expected = all.rows.filter(
        ({ kind, cause, from, to, vcpu }: any) =>
          (!filter.kinds || filter.kinds.includes(kind)) &&
          (!filter.causes || filter.causes.includes(cause)) &&
          (!filter.rings || filter.rings.includes(from.ring) || filter.rings.includes(to.ring)) &&
          (!filter.vcpus || filter.vcpus.includes(vcpu)) &&
          (!filter.changesOnly || from.ring !== to.ring || from.mode !== to.mode),
      );
      expect(some.rows, JSON.stringify(filter)).toEqual(expected);
      expect(some.matching).toBe(expected.length);
      expect((await page(filter, 1, 2)).rows).toEqual(expected.slice(1, 3));
    }
    const { lines, next } = await client.ask<any>('ringside/exportTransitions', { filter: { kinds: ['gate'] } });
    expect(next).toBeUndefined();
    expect(
      lines
        .trim()
        .split('\n')
        .map((line: string) => JSON.parse(line).kind),
    ).toEqual(all.rows.filter(({ kind }: any) => kind === 'gate').map(() => 'gate'));
    let start: number | undefined = 0;
    let exported = '';
    while (start !== undefined) {
      const part: any = await client.ask('ringside/exportTransitions', { start, count: 3 });
      exported += part.lines;
      start = part.next;
    }
    expect(
      exported
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).sequence),
    ).toEqual(all.rows.map(({ sequence }: any) => sequence));
    expect(await client.failure('ringside/transition', { sequence: 10 ** 6 })).toMatch(/is not in the log/);
    expect(await client.failure('ringside/transitions', { start: 0, count: 1, filter: { kinds: 5 } })).toMatch(
      /'filter.kinds' must be a list/,
    );
    expect(await client.failure('ringside/transitions', { start: 0, count: 10 ** 6 })).toMatch(/too many/);
  });

  it('see devices and the screen, and refuse input that is none', async () => {
    await enter('halt');
    const { devices } = await client.ask<any>('ringside/devices');
    expect(devices.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(['pic', 'pit', 'uart0']));
    const screen = await client.ask<any>('ringside/screen', {});
    expect(['none', 'text', 'graphics', 'blank']).toContain(screen.kind);
    if (screen.id) expect(await client.ask('ringside/screen', { since: screen.id })).toEqual({ kind: 'unchanged', id: screen.id });
    for (const input of [
      { kind: 'mouse' },
      { kind: 'serial', port: 9, bytes: '' },
      { kind: 'serial', port: 0, bytes: '!' },
      { kind: 'key', code: 5 },
    ]) {
      expect(await client.failure('ringside/input', input)).toMatch(/ringside\/input/);
    }
    await client.ask('ringside/input', { kind: 'key', code: 'KeyA', pressed: true });
  });
});

describe('what is loaded', () => {
  it('is announced, and listed', async () => {
    const modules: string[] = [];
    client.on('module', ({ body }: P.Event) => modules.push(body.module.name));
    await enter('rings');
    expect(modules).toEqual(['rings.asm']);
    expect(await client.ask('loadedSources', {})).toEqual({ sources: [{ name: 'rings.asm', path: guest('rings') }] });
    const { modules: listed, totalModules } = await client.ask<P.ModulesResponse['body']>('modules', {});
    expect([listed.map(({ name }) => name), totalModules]).toEqual([['rings.asm'], 1]);
    expect(listed[0].symbolStatus).toMatch(/^\d+ symbols, lines of 1 files$/);
  });
});
