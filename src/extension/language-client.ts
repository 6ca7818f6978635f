/** Starts the language server for assembly sources. */
import * as vscode from 'vscode';
import { LanguageClient, TransportKind } from 'vscode-languageclient/node';

const LANGUAGES = ['nasm'];

/** The client; dispose to stop the server. It starts by itself when the first document of the language opens. */
export function startLanguageClient(extensionUri: vscode.Uri): vscode.Disposable {
  const module = vscode.Uri.joinPath(extensionUri, 'dist', 'language-server.js').fsPath;
  const client = new LanguageClient(
    'ringside',
    'Ringside Assembly',
    { module, transport: TransportKind.ipc },
    { documentSelector: LANGUAGES.map((language) => ({ language })) },
  );
  client.start().catch((error: unknown) => {
    void vscode.window.showWarningMessage(
      `The assembly language server did not start: ${error instanceof Error ? error.message : String(error)}`,
    );
  });
  return { dispose: () => void client.dispose() };
}
