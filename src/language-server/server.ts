/** The language server's requests, over any connection. Everything is read from the last assembly of the document. */
import { pathToFileURL } from 'node:url';
import {
  CompletionItemKind,
  type Connection,
  DiagnosticSeverity,
  type Location,
  MarkupKind,
  type Range,
  SymbolKind,
  TextDocumentSyncKind,
} from 'vscode-languageserver';
import { TextDocuments } from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { AssemblyResult } from '../assembler/assemble';
import { ROWS_BY_SPELLING } from '../isa/table';
import { helpForSpelling } from '../isa/help';
import { instructionHover, symbolHover } from './hover';
import { assembleProgram, type ReadText, resolveFile } from './program';
import { inComment, qualify, wordAt } from './words';

const DIRECTIVES = (
  'bits org section segment absolute align alignb times equ db dw dd dq dt resb resw resd resq rest struc endstruc istruc at iend ' +
  'global extern common incbin default cpu %define %assign %macro %endmacro %rep %endrep %if %elif %else %endif %ifdef %include'
).split(' ');
const REGISTERS = 'eax ebx ecx edx esi edi ebp esp ax bx cx dx si di bp sp al ah bl bh cl ch dl dh cs ds es fs gs ss cr0 cr2 cr3 cr4'.split(
  ' ',
);

interface Assembled {
  readonly version: number;
  readonly result: AssemblyResult;
}

/** Registers everything on a connection. @param pathOf a document's path @param readDisk a file that is not open */
export function serve(connection: Connection, pathOf: (uri: string) => string, readDisk: (path: string) => Uint8Array | undefined): void {
  const documents = new TextDocuments(TextDocument);
  const assembled = new Map<string, Assembled>();

  const read: ReadText = (path) =>
    documents
      .all()
      .find(({ uri }) => pathOf(uri) === path)
      ?.getText() ?? readDisk(path);

  function resultOf(document: TextDocument): AssemblyResult {
    const known = assembled.get(document.uri);
    if (known?.version === document.version) return known.result;
    const result = assembleProgram(pathOf(document.uri), document.getText(), read);
    assembled.set(document.uri, { version: document.version, result });
    return result;
  }

  /** An %include file alone is no program: its missing symbols would all be errors. */
  const isProgram = (uri: string): boolean => !/\.inc$/i.test(uri);

  async function check(document: TextDocument): Promise<void> {
    if (!isProgram(document.uri)) return;
    const path = pathOf(document.uri);
    const diagnostics = resultOf(document)
      .diagnostics.filter(({ file }) => resolveFile(path, file) === path)
      .map(({ line, column, length, message, severity, code }) => ({
        range: span(line - 1, column - 1, length),
        message,
        severity: severity === 'error' ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
        code,
        source: 'ringside',
      }));
    await connection.sendDiagnostics({ uri: document.uri, version: document.version, diagnostics });
  }

  documents.onDidChangeContent(({ document }) => void check(document));
  documents.onDidClose(({ document }) => {
    assembled.delete(document.uri);
    void connection.sendDiagnostics({ uri: document.uri, diagnostics: [] });
  });

  connection.onInitialize(() => ({
    capabilities: {
      textDocumentSync: TextDocumentSyncKind.Incremental,
      hoverProvider: true,
      definitionProvider: true,
      documentSymbolProvider: true,
      completionProvider: { triggerCharacters: ['.', '%'] },
    },
    serverInfo: { name: 'ringside' },
  }));

  /** The word at a position, unless it stands in a comment. */
  function pointed(uri: string, position: { line: number; character: number }) {
    const document = documents.get(uri);
    if (!document) return undefined;
    const lines = document.getText().split(/\r?\n/);
    const line = lines[position.line] ?? '';
    const word = inComment(line, position.character) ? undefined : wordAt(line, position.character);
    return word && { document, lines, word, name: qualify(word.text, lines, position.line) };
  }

  connection.onHover(({ textDocument, position }) => {
    const at = pointed(textDocument.uri, position);
    if (!at) return undefined;
    const value = symbolHover(resultOf(at.document), at.name) ?? instructionHover(at.word.text);
    const { from, to } = at.word;
    return value === undefined
      ? undefined
      : { contents: { kind: MarkupKind.Markdown, value }, range: span(position.line, from, to - from) };
  });

  connection.onDefinition(({ textDocument, position }): Location | undefined => {
    const at = pointed(textDocument.uri, position);
    const symbol = at && resultOf(at.document).symbols.find(({ name, line }) => name === at.name && line > 0);
    if (!at || symbol?.file === undefined) return undefined;
    const path = resolveFile(pathOf(textDocument.uri), symbol.file);
    const uri = path === pathOf(textDocument.uri) ? textDocument.uri : pathToFileURL(path).href;
    return { uri, range: span(symbol.line - 1, 0, 0) };
  });

  connection.onDocumentSymbol(({ textDocument }) => {
    const document = documents.get(textDocument.uri);
    if (!document) return [];
    const path = pathOf(textDocument.uri);
    return resultOf(document)
      .symbols.filter(({ file, line }) => file !== undefined && line > 0 && resolveFile(path, file) === path)
      .map(({ name, kind, line, value }) => ({
        name,
        detail: `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`,
        kind: kind === 'equ' ? SymbolKind.Constant : SymbolKind.Function,
        range: span(line - 1, 0, 0),
        selectionRange: span(line - 1, 0, 0),
      }));
  });

  connection.onCompletion(({ textDocument, position }) => {
    const document = documents.get(textDocument.uri);
    if (!document) return [];
    const line = document.getText(span(position.line, 0, position.character));
    if (inComment(line, line.length)) return [];
    const symbols = resultOf(document).symbols.map(({ name, kind }) => ({
      label: name,
      kind: kind === 'equ' ? CompletionItemKind.Constant : CompletionItemKind.Function,
    }));
    // The first word of a statement is a mnemonic or a directive.
    if (!/^\s*([\w.?$#@~%]+:)?\s*[\w%]*$/.test(line)) {
      return [...symbols, ...REGISTERS.map((label) => ({ label, kind: CompletionItemKind.Variable }))];
    }
    return [
      ...[...ROWS_BY_SPELLING.keys()].map((label) => ({ label, kind: CompletionItemKind.Keyword, data: label })),
      ...DIRECTIVES.map((label) => ({ label, kind: CompletionItemKind.Snippet })),
      ...symbols,
    ];
  });
  connection.onCompletionResolve((item) => {
    const [help] = typeof item.data === 'string' ? helpForSpelling(item.data) : [];
    return help ? { ...item, detail: help.summary } : item;
  });

  documents.listen(connection);
}

function span(line: number, column: number, length: number): Range {
  const start = { line: Math.max(0, line), character: Math.max(0, column) };
  return { start, end: { line: start.line, character: start.character + length } };
}
