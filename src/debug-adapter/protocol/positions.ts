/** Lines and columns as the client counts them; ours begin at 1. */
import type { DebugProtocol } from '@vscode/debugprotocol';

export class ClientPositions {
  private readonly firstLine: number;
  private readonly firstColumn: number;

  constructor(client: DebugProtocol.InitializeRequestArguments) {
    this.firstLine = client.linesStartAt1 === false ? 0 : 1;
    this.firstColumn = client.columnsStartAt1 === false ? 0 : 1;
  }

  toClientLine(line: number): number {
    return line - 1 + this.firstLine;
  }

  fromClientLine(line: number): number {
    return line + 1 - this.firstLine;
  }

  toClientColumn(column: number): number {
    return column - 1 + this.firstColumn;
  }

  fromClientColumn(column: number): number {
    return column + 1 - this.firstColumn;
  }
}
