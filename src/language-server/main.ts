/** The language server's process, for vscode-languageclient over IPC. */
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createConnection, ProposedFeatures } from 'vscode-languageserver/node';
import { serve } from './server';

/** Larger files are not read for %include or INCBIN while someone types. */
const LARGEST = 16 * 1024 * 1024;

/** The path behind a file's URI; a document of a remote host lies on this one. */
function pathOf(uri: string): string {
  try {
    return uri.startsWith('file:') ? fileURLToPath(uri) : decodeURIComponent(new URL(uri).pathname);
  } catch {
    return uri;
  }
}

function readDisk(path: string): Uint8Array | undefined {
  try {
    const status = statSync(path);
    return status.isFile() && status.size <= LARGEST ? readFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}

const connection = createConnection(ProposedFeatures.all);
serve(connection, pathOf, readDisk);
connection.listen();
