/** What users write into hypercalls.json, right and wrong. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseHypercalls, registerPart } from '../../src/debug-adapter/hypercalls/table';

describe('a table of hypercalls', () => {
  it('is read with what is left out', () => {
    const calls = parseHypercalls('[{"number": 7, "name": "wait", "arguments": [{"name": "until", "register": "RBX"}]}]');
    expect(calls.get(7)).toEqual({
      number: 7,
      name: 'wait',
      arguments: [{ name: 'until', register: 'rbx', type: 'u64' }],
      result: 'rax',
    });
  });

  it('comes with the sample', () => {
    const path = resolve(import.meta.dirname, '../../samples/vmx-hello/hypercalls.json');
    expect([...parseHypercalls(readFileSync(path, 'utf8')).values()].map(({ name }) => name)).toEqual(['print', 'square', 'exit']);
  });

  it.each([
    ['[', /^it is no JSON: /],
    ['{}', /^it must be a list of calls$/],
    ['[1]', /^call 1: it must be an object$/],
    ['[{"number": -1, "name": "x"}]', /^call 1: "number" must be a whole number/],
    ['[{"number": 1}]', /^call 1: "name" must be text$/],
    ['[{"number": 1, "name": "x", "args": []}]', /^call 1: there is no "args"$/],
    ['[{"number": 1, "name": "x"}, {"number": 1, "name": "y"}]', /^call 2: the number 1 is that of 'x', too$/],
    [
      '[{"number": 1, "name": "x", "arguments": [{"name": "a", "register": "xmm0"}]}]',
      /^call 1 'x', argument 1: "register" must be a general/,
    ],
    [
      '[{"number": 1, "name": "x", "arguments": [{"name": "a", "register": "rbx", "type": "int"}]}]',
      /argument 1: "type" must be one of u8/,
    ],
    ['[{"number": 1, "name": "x", "result": "cr0"}]', /^call 1: "result" must be a general register/],
  ])('is refused in one line: %s', (text, message) => {
    expect(() => parseHypercalls(text)).toThrow(message);
    expect(() => parseHypercalls(text)).not.toThrow(/\n/);
  });

  it('knows the registers by their encodings', () => {
    expect(['rax', 'ebx', 'sp', 'rdi', 'r8', 'r15d', 'r9w'].map(registerPart)).toEqual([
      { index: 0, size: 8 },
      { index: 3, size: 4 },
      { index: 4, size: 2 },
      { index: 7, size: 8 },
      { index: 8, size: 8 },
      { index: 15, size: 4 },
      { index: 9, size: 2 },
    ]);
    expect(['al', 'r16', 'xmm0', 'eip', ''].map(registerPart)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });
});
