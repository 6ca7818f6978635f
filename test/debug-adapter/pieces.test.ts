/** The adapter's small parts by themselves. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHitCondition } from '../../src/debug-adapter/breakpoints/hit-conditions';
import { sweep } from '../../src/debug-adapter/disassembly/sweep';
import { parseRanges, within } from '../../src/debug-adapter/exceptions/ranges';
import { readAttributes } from '../../src/debug-adapter/launch/attributes';
import { decodeBase64, encodeBase64 } from '../../src/debug-adapter/memory/base64';
import { formatReference, parseReference } from '../../src/debug-adapter/memory/reference';
import { Dispatcher } from '../../src/debug-adapter/protocol/dispatcher';
import { FilteredLog } from '../../src/debug-adapter/panels/filtered-log';
import { UserError } from '../../src/debug-adapter/protocol/errors';
import { encodeMessage, FramingProblem, MessageReader } from '../../src/debug-adapter/protocol/framing';
import { normalisePath } from '../../src/debug-adapter/sources/paths';
import { TransitionLog } from '../../src/engines/transitions';
import type { Ring } from '../../src/shared/transition';

describe('message framing', () => {
  const messages = [{ seq: 1, text: 'plain' }, { seq: 2, text: 'ünïcödé → 𝄞' }, { seq: 3 }];

  it('puts messages together again however the bytes are cut', () => {
    const bytes = Buffer.concat(messages.map(encodeMessage));
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
        const reader = new MessageReader();
        const places = [...new Set([0, ...cuts, bytes.length])].sort((a, b) => a - b);
        const items = places.slice(1).flatMap((end, i) => reader.push(bytes.subarray(places[i], end)));
        expect(items).toEqual(messages);
      }),
    );
  });

  it('tells of what is no message, and goes on behind it', () => {
    const reader = new MessageReader();
    const good = encodeMessage({ seq: 9 });
    const items = reader.push(
      Buffer.concat([
        Buffer.from('Content-Length: x\r\n\r\n'),
        good,
        Buffer.from('Content-Length: 3\r\n\r\n{a}'),
        good,
        Buffer.from('Nothing: 1\r\n\r\n'),
        good,
        Buffer.from('Other: 1\r\nContent-Length: 10\r\n\r\n{"seq": 9}'),
      ]),
    );
    expect(items.map((item) => (item instanceof FramingProblem ? 'problem' : (item as { seq: number }).seq))).toEqual([
      'problem',
      9,
      'problem',
      9,
      'problem',
      9,
      9,
    ]);
  });

  it('skips a message that is far too long', () => {
    const reader = new MessageReader();
    const [problem] = reader.push(Buffer.from('Content-Length: 99999999\r\n\r\n'));
    expect(problem).toBeInstanceOf(FramingProblem);
    const body = new Uint8Array(1 << 20);
    for (let left = 99999999; left > 0; left -= body.length) reader.push(body.subarray(0, Math.min(left, body.length)));
    expect(reader.push(encodeMessage({ seq: 1 }))).toEqual([{ seq: 1 }]);
  });

  it('does not keep a header that never ends', () => {
    const reader = new MessageReader();
    expect(reader.push(new Uint8Array(5000).fill(65))).toHaveLength(1);
    expect(reader.push(encodeMessage({ seq: 1 }))).toEqual([{ seq: 1 }]);
  });

  it('takes any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (chunks) => {
        const reader = new MessageReader();
        for (const chunk of chunks) reader.push(chunk);
      }),
    );
  });
});

describe('the dispatcher', () => {
  function dispatcher() {
    const sent: Record<string, any>[] = [];
    const made = new Dispatcher((message) => sent.push(message));
    return { made, sent };
  }

  it('answers once, whatever the handler does', async () => {
    const { made, sent } = dispatcher();
    made.register({
      threads: () => ({ threads: [] }),
      modules: async () => Promise.reject(new Error('broken\ninside')),
      loadedSources: () => {
        throw new UserError('not that way');
      },
    });
    for (const [i, command] of ['threads', 'modules', 'loadedSources', 'unheardOf'].entries()) {
      await made.handle({ seq: i + 10, type: 'request', command, arguments: {} });
    }
    expect(sent.map(({ request_seq, success, message }) => [request_seq, success, message])).toEqual([
      [10, true, undefined],
      [11, false, 'internal error in modules: broken; inside'],
      [12, false, 'not that way'],
      [13, false, 'the request "unheardOf" is not supported'],
    ]);
    expect(sent.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it('sends what comes after the response after it', async () => {
    const { made, sent } = dispatcher();
    made.register({
      threads: (_args, context) => {
        context.afterResponse(() => made.event('later'));
        return { threads: [] };
      },
    });
    await made.handle({ seq: 1, type: 'request', command: 'threads' });
    expect(sent.map(({ type, event }) => event ?? type)).toEqual(['response', 'later']);
  });

  it('cancels', async () => {
    const { made, sent } = dispatcher();
    let release: () => void = () => {};
    const waiting = new Promise<void>((resume) => {
      release = resume;
    });
    made.register({
      threads: async (_args, context) => {
        await waiting;
        context.throwIfCancelled();
        return { threads: [] };
      },
    });
    const answered = made.handle({ seq: 5, type: 'request', command: 'threads' });
    expect(made.cancel(5)).toBe(true);
    release();
    await answered;
    expect(sent).toMatchObject([{ request_seq: 5, success: false, message: 'cancelled' }]);
    expect(made.cancel(5)).toBe(false);
  });

  it('names the argument that is wrong', async () => {
    const { made, sent } = dispatcher();
    made.register({ setBreakpoints: () => ({ breakpoints: [] }), writeMemory: () => ({}) });
    const send = async (command: string, args: unknown) => {
      await made.handle({ seq: 1, type: 'request', command, arguments: args });
      return sent.at(-1)?.message as string;
    };
    expect(await send('setBreakpoints', undefined)).toBe("'source' of setBreakpoints must be an object, not absent");
    expect(await send('setBreakpoints', [])).toBe('the arguments of setBreakpoints must be an object, not []');
    expect(await send('setBreakpoints', { source: 5 })).toBe("'source' of setBreakpoints must be an object, not 5");
    expect(await send('setBreakpoints', { source: {}, breakpoints: [{ line: 'x' }] })).toBe(
      '\'breakpoints[0].line\' of setBreakpoints must be an integer, not "x"',
    );
    expect(await send('writeMemory', { memoryReference: 'linear:0', data: '!' })).toBe(
      '\'data\' of writeMemory must be base64 text, not "!"',
    );
  });

  it.each([[null], [5], ['text'], [[]], [{}], [{ type: 'request' }], [{ type: 'request', seq: 1 }], [{ type: 'nothing', seq: 1 }]])(
    'tells of %j, which is no request',
    async (message) => {
      const { made, sent } = dispatcher();
      await made.handle(message);
      expect(sent).toMatchObject([{ type: 'event', event: 'output' }]);
      expect(sent[0].body.output).toMatch(/^malformed message from the client: [^\n]+\n$/);
    },
  );
});

describe('hit conditions', () => {
  it.each([
    ['3', [3, 4, 5, 6]],
    ['= 3', [3]],
    ['==3', [3]],
    ['!= 3', [1, 2, 4, 5, 6]],
    ['> 3', [4, 5, 6]],
    ['>=3', [3, 4, 5, 6]],
    ['< 3', [1, 2]],
    ['<= 3', [1, 2, 3]],
    ['% 2', [2, 4, 6]],
    ['0x2', [2, 3, 4, 5, 6]],
  ])('%s', (text, expected) => {
    const test = parseHitCondition(text);
    expect([1, 2, 3, 4, 5, 6].filter(test)).toEqual(expected);
  });

  it.each(['', 'x', '-1', '3 4', '% 0', '=> 3'])('refuses %j', (text) => expect(() => parseHitCondition(text)).toThrow(UserError));
});

describe('launch attributes', () => {
  const read = (args: Record<string, unknown>) => readAttributes(args, (path) => `/abs/${path}`);

  it('takes every attribute of the contract', () => {
    const { options, stopOnEntry, breakOn, noDebug } = read({
      type: 'ringside',
      request: 'launch',
      name: 'x',
      __sessionId: 'y',
      program: 'a.asm',
      engine: 'emulator',
      memory: '64M',
      cpus: 1,
      disks: ['d.img'],
      append: 'quiet',
      symbolFiles: ['k.elf'],
      args: ['one'],
      stopOnEntry: true,
      breakOn: ['#GP', 'main'],
    });
    expect(options).toMatchObject({
      program: '/abs/a.asm',
      memory: 64 << 20,
      disks: ['/abs/d.img'],
      symbolFiles: ['/abs/k.elf'],
      append: 'quiet',
    });
    expect({ stopOnEntry, breakOn, noDebug }).toEqual({ stopOnEntry: true, breakOn: ['#GP', 'main'], noDebug: false });
  });

  it.each([
    [{ programm: 'x' }, "launch attribute 'programm' does not exist; did you mean 'program'?"],
    [{ stopAtEntry: true }, "launch attribute 'stopAtEntry' does not exist; did you mean 'stopOnEntry'?"],
    [{ wibble: 1 }, "launch attribute 'wibble' does not exist"],
    [{ program: 5 }, "launch attribute 'program' must be text, not 5"],
    [{ program: '' }, 'launch attribute \'program\' must be text, not ""'],
    [{ memory: 'lots' }, "launch attribute 'memory' must be bytes, or text like '64M', not \"lots\""],
    [{ memory: -1 }, "launch attribute 'memory' must be bytes, or text like '64M', not -1"],
    [{ cpus: 0 }, "launch attribute 'cpus' must be a whole number above 0, not 0"],
    [{ engine: 'kvm' }, 'launch attribute \'engine\' must be one of emulator, translator, paravirt, vmx, container, not "kvm"'],
    [{ disks: 'a' }, 'launch attribute \'disks\' must be a list of texts, not "a"'],
    [{ stopOnEntry: 'yes' }, 'launch attribute \'stopOnEntry\' must be true or false, not "yes"'],
    [{ rootfs: '/x' }, "not implemented: the launch attribute 'rootfs'"],
    [{ constructor: 1 }, "launch attribute 'constructor' does not exist"],
  ])('%j', (args, message) => expect(() => read(args)).toThrow(message));

  it('takes or refuses anything in one line', () => {
    const names = fc.constantFrom('program', 'engine', 'memory', 'cpus', 'disks', 'args', 'breakOn', 'noDebug', 'bios', 'toString', '');
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(names, fc.string()), fc.anything()), (args) => {
        try {
          read(args);
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          expect(error.message).not.toContain('\n');
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('memory references', () => {
  it('are read as they are written', () => {
    fc.assert(
      fc.property(fc.constantFrom('linear', 'physical' as const), fc.maxSafeNat(), (space, address) => {
        expect(parseReference(formatReference({ space: space, address }))).toEqual({ space, address });
      }),
    );
    expect(parseReference('0x7c00')).toEqual({ space: 'linear', address: 0x7c00 });
    expect(parseReference('linear:0xffffffff80000000')).toEqual({ space: 'linear', address: -0x80000000 });
  });

  it.each(['', 'x', 'host:0', 'linear:', 'linear:zz', 'linear:0x7fffffffffffffff', '0x10000000000000000'])('refuses %j', (text) =>
    expect(() => parseReference(text)).toThrow(UserError),
  );
});

it('base64 goes there and back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
      expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
      expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
    }),
  );
});

it('ranges of ports and vectors', () => {
  const ranges = parseRanges('0x20, 0x3f8-0x3ff ,7') ?? [];
  expect([7, 8, 0x20, 0x21, 0x3f8, 0x3ff, 0x400].filter((n) => within(ranges, n))).toEqual([7, 0x20, 0x3f8, 0x3ff]);
  expect(parseRanges('$port == 3')).toBeUndefined();
});

it('paths are the same however they are written', () => {
  expect(normalisePath('c:\\a\\..\\b\\.\\x.asm')).toBe('C:/b/x.asm');
  expect(normalisePath('/a//b/../c.asm')).toBe('/a/c.asm');
  expect(normalisePath('../x.asm')).toBe('../x.asm');
});

describe('the sweep of a disassembly', () => {
  const code = Uint8Array.of(0xb8, 0x90, 0x90, 0x90, 0x90, 0xc3, 0x0f, 0x0b);

  it('falls into step at places where instructions start', () => {
    const from = (anchors: { address: number; data?: boolean }[]) =>
      sweep(code, 0x100, anchors, 32).map(({ address, bytes }) => [address, bytes.length]);
    expect(from([])).toEqual([
      [0x100, 5],
      [0x105, 1],
      [0x106, 2],
    ]);
    expect(from([{ address: 0x102 }])).toEqual([
      [0x100, 1],
      [0x101, 1],
      [0x102, 1],
      [0x103, 1],
      [0x104, 1],
      [0x105, 1],
      [0x106, 2],
    ]);
    expect(from([{ address: 0x105, data: true }])).toEqual([
      [0x100, 5],
      [0x105, 1],
      [0x106, 1],
      [0x107, 1],
    ]);
  });

  it('covers every byte once', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 100 }),
        fc.array(fc.nat(99), { maxLength: 6 }),
        fc.constantFrom(16, 32, 64),
        (bytes, starts, bits) => {
          const anchors = [...new Set(starts)].sort((a, b) => a - b).map((address) => ({ address }));
          const lines = sweep(bytes, 0, anchors, bits);
          let at = 0;
          for (const line of lines) {
            expect(line.address).toBe(at);
            at += line.bytes.length;
          }
          expect(at).toBe(bytes.length);
          for (const { address } of anchors) if (address < bytes.length) expect(lines.some((line) => line.address === address)).toBe(true);
        },
      ),
    );
  });
});

describe('the trap log behind a filter', () => {
  const CAPACITY = 4096;
  const place = (ring: Ring) => ({ ring, guestRing: ring, mode: 'protected-32', vmx: 'off' }) as const;

  function record(log: TransitionLog, count: number): void {
    for (let i = 0; i < count; i++) {
      const inward = log.total % 2 === 0;
      log.record(
        {
          kind: inward ? 'gate' : 'return',
          from: place(inward ? 3 : 0),
          to: place(inward ? 0 : 3),
          cause: -1,
          causeName: log.total % 3 === 0 ? 'INT 0x80' : 'CALL',
          address: 0,
          fromSelector: 8,
          fromOffset: 0,
          toSelector: 8,
          toOffset: 0,
        },
        log.total,
        0,
      );
    }
  }

  const filter = { kinds: ['gate'], causes: ['INT 0x80'] } as const;
  const expected = (transitions: TransitionLog): number[] => {
    const all = Array.from({ length: transitions.total - transitions.first }, (_, i) => transitions.first + i);
    return all.filter((sequence) => sequence % 6 === 0);
  };

  it('follows the log as it grows and forgets', async () => {
    const transitions = new TransitionLog(CAPACITY);
    const filtered = new FilteredLog(transitions);
    for (const more of [0, 1, 100, 5000, 0, 3000, 40_000, 7]) {
      record(transitions, more);
      await filtered.update(filter, async () => {});
      expect(filtered.size).toBe(expected(transitions).length);
      expect(filtered.page(0, 10_000)).toEqual(expected(transitions));
      expect(filtered.page(5, 3)).toEqual(expected(transitions).slice(5, 8));
    }
    await filtered.update(undefined, async () => {});
    expect(filtered.size).toBe(CAPACITY);
    expect(filtered.page(1, 2)).toEqual([transitions.first + 1, transitions.first + 2]);
    expect(filtered.page(CAPACITY - 1, 5)).toEqual([transitions.total - 1]);
    transitions.clear();
    await filtered.update(filter, async () => {});
    expect(filtered.size).toBe(0);
  });

  it('lets others in between, and can be given up', async () => {
    const transitions = new TransitionLog(1 << 17);
    record(transitions, 1 << 17);
    const filtered = new FilteredLog(transitions);
    let pieces = 0;
    await filtered.update(filter, async () => {
      pieces++;
    });
    expect(pieces).toBeGreaterThan(3);
    await expect(new FilteredLog(transitions).update(filter, () => Promise.reject(new Error('enough')))).rejects.toThrow('enough');
  });
});
