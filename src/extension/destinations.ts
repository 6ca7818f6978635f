/** Where a click in a panel leads. */
import * as vscode from 'vscode';
import { formatLinear } from '../shared/addresses';
import type { Destination } from '../shared/webview-messages';

export async function openDestination(
  session: vscode.DebugSession | undefined,
  destination: Exclude<Destination, { kind: 'transition' | 'walk' }>,
): Promise<void> {
  switch (destination.kind) {
    case 'source': {
      const line = Math.max(0, destination.line - 1);
      const selection = new vscode.Range(line, 0, line, 0);
      await vscode.window.showTextDocument(vscode.Uri.file(destination.path), { selection, preserveFocus: true });
      return;
    }
    case 'disassembly':
      await showDisassembly(session, destination.address);
      return;
    case 'memory':
      await vscode.commands.executeCommand('workbench.debug.viewlet.action.viewMemory', {
        sessionId: session?.id,
        container: {},
        variable: { name: destination.memoryReference, memoryReference: destination.memoryReference, value: '', variablesReference: 0 },
      });
      return;
    default:
  }
}

/** The editor's disassembly view cannot be told where to look, so the instructions go into a document of their own. */
async function showDisassembly(session: vscode.DebugSession | undefined, address: number): Promise<void> {
  if (!session) return;
  const reference = `linear:${formatLinear(address)}`;
  const answer = (await session.customRequest('disassemble', {
    memoryReference: reference,
    instructionOffset: -BEFORE,
    instructionCount: BEFORE + 1 + BEHIND,
    resolveSymbols: true,
  })) as { instructions: readonly { address: string; instruction: string; instructionBytes?: string; symbol?: string }[] };
  const lines = answer.instructions.flatMap(({ address: at, instruction, instructionBytes, symbol }) => [
    ...(symbol ? [`${symbol}:`] : []),
    `${at}  ${(instructionBytes ?? '').padEnd(30)}  ${instruction}`,
  ]);
  const wanted = lines.findIndex((line) => line.startsWith(`${formatLinear(address)} `));
  const document = await vscode.workspace.openTextDocument({ content: `${lines.join('\n')}\n`, language: 'nasm' });
  const line = Math.max(0, wanted);
  await vscode.window.showTextDocument(document, { selection: new vscode.Range(line, 0, line, 0), preview: true, preserveFocus: true });
}

const BEFORE = 20;
const BEHIND = 60;
