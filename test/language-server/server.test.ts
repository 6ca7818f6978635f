import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createConnection, createProtocolConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-languageserver/node';
import type { Diagnostic, Hover, Location, ProtocolConnection } from 'vscode-languageserver/node';
import { serve } from '../../src/language-server/server';
import { inComment, qualify, wordAt } from '../../src/language-server/words';

const URI = 'file:///work/program.asm';
const FILES: Readonly<Record<string, string>> = { '/work/other.inc': 'included equ 0x1234\n' };

describe('the language server', () => {
  let client: ProtocolConnection;
  let diagnostics: (problems: Diagnostic[]) => void;

  beforeEach(async () => {
    const [up, down] = [new PassThrough(), new PassThrough()];
    const server = createConnection(new StreamMessageReader(up), new StreamMessageWriter(down));
    serve(
      server,
      (uri) => new URL(uri).pathname,
      (path) => (path in FILES ? new TextEncoder().encode(FILES[path]) : undefined),
    );
    server.listen();
    client = createProtocolConnection(new StreamMessageReader(down), new StreamMessageWriter(up));
    client.onNotification('textDocument/publishDiagnostics', (message: { diagnostics: Diagnostic[] }) => diagnostics(message.diagnostics));
    client.listen();
    await client.sendRequest('initialize', { processId: null, rootUri: null, capabilities: {} });
  });

  afterEach(() => client.dispose());

  /** Opens a source and gives its problems. */
  function open(text: string): Promise<Diagnostic[]> {
    return new Promise((resolve) => {
      diagnostics = resolve;
      void client.sendNotification('textDocument/didOpen', { textDocument: { uri: URI, languageId: 'nasm', version: 1, text } });
    });
  }

  const at = (line: number, character: number) => ({ textDocument: { uri: URI }, position: { line, character } });

  it('reports every problem of a source at its place', async () => {
    const problems = await open('bits 16\nmov ax, bx\nfrobnicate ax\n  mov cs\n');
    expect(problems.map(({ range }) => range.start.line)).toEqual([2, 3]);
    expect(problems.every(({ severity }) => severity === 1)).toBe(true);
  });

  it('takes included files from beside the program', async () => {
    expect(await open('%include "other.inc"\nmov ax, included\n')).toEqual([]);
  });

  it('explains instructions and symbols', async () => {
    await open('bits 32\nstart:\n  cli\n.wait: jmp .wait ; cli\ncount equ 42\n mov eax, count\n');
    const instruction = await client.sendRequest<Hover>('textDocument/hover', at(2, 3));
    expect((instruction.contents as { value: string }).value).toContain('**CLI**');
    const constant = await client.sendRequest<Hover>('textDocument/hover', at(5, 12));
    expect((constant.contents as { value: string }).value).toContain('0x2a');
    expect(await client.sendRequest('textDocument/hover', at(3, 20))).toBeNull();
  });

  it('finds where a local label is defined', async () => {
    await open('one:\n.wait: jmp .wait\ntwo:\n.wait: jmp .wait\n');
    const place = await client.sendRequest<Location>('textDocument/definition', at(3, 14));
    expect(place.range.start.line).toBe(3);
  });

  it('offers mnemonics at the start of a statement and registers behind it', async () => {
    await open('start:\n lg\n mov e\n');
    const labels = async (line: number, character: number): Promise<string[]> =>
      (await client.sendRequest<{ label: string }[]>('textDocument/completion', at(line, character))).map(({ label }) => label);
    expect(await labels(1, 3)).toContain('lgdt');
    const operands = await labels(2, 6);
    expect(operands).toContain('eax');
    expect(operands).toContain('start');
    expect(operands).not.toContain('lgdt');
  });
});

describe('words of a line', () => {
  it('knows comments from quotes', () => {
    expect(inComment("db ';' ; here", 4)).toBe(false);
    expect(inComment("db ';' ; here", 10)).toBe(true);
  });

  it('finds the word at its edges', () => {
    expect(wordAt('mov eax, [.table]', 4)?.text).toBe('eax');
    expect(wordAt('mov eax, [.table]', 16)?.text).toBe('.table');
    expect(wordAt('   ', 1)).toBeUndefined();
  });

  it('gives local labels their full name', () => {
    expect(qualify('.wait', ['one:', '.wait:', ' jmp .wait'], 2)).toBe('one.wait');
  });
});
