/** Writes down what a session does, as text that people can read and that stays the same from run to run. */
import { resolve } from 'node:path';
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { Client, type Stopped } from './adapter-process';

export const GUESTS = resolve(import.meta.dirname, 'guests');

export class Transcript {
  readonly client: Client;
  private readonly lines: string[] = [];

  constructor(client: Client) {
    this.client = client;
  }

  /** What depends on the firmware alone is left out: counts of instructions and transitions, and addresses in its ROM. */
  get text(): string {
    const text = this.lines
      .join('\n')
      .replace(/ +\d+ +\d+(  (?:gate|return|mode-change|exception|interrupt|task-switch|syscall) )/g, '  ...$1')
      .replace(/(sequence"?: ?)\d+/g, '$1...')
      .replace(/^( *tsc = ).*$/gm, '$1...')
      .replace(/^( *count: ).*$/gm, '$1...')
      .replace(/0x000f[0-9a-f]{4}/g, '(firmware)');
    return `${text}\n`;
  }

  say(line: string): void {
    this.lines.push(line);
  }

  heading(line: string): void {
    if (this.lines.length > 0) this.lines.push('');
    this.lines.push(line);
  }

  stopped({ reason, description, text, hitBreakpointIds }: Stopped): void {
    const more = [description, text, hitBreakpointIds && `breakpoints ${hitBreakpointIds.join(', ')}`].filter(Boolean);
    this.say(`  stopped: ${[reason, ...more].join(' | ')}`);
  }

  /** A request that lets the guest run, with where it stops. @returns false when it ended instead */
  async run(command: 'continue' | 'next' | 'stepIn' | 'stepOut', more: { granularity?: string } = {}): Promise<boolean> {
    this.heading(`${command}${more.granularity ? ` (${more.granularity})` : ''}`);
    try {
      this.stopped(await this.client.run(command, more));
    } catch (error) {
      this.say(`  ${(error as Error).message}`);
      return false;
    }
    await this.stack();
    return true;
  }

  async stack(): Promise<void> {
    for (const frame of await this.client.frames()) this.say(`    ${frameText(frame)}`);
  }

  async scopes(only?: readonly string[]): Promise<void> {
    const [frame] = await this.client.frames();
    const { scopes } = await this.client.ask<P.ScopesResponse['body']>('scopes', { frameId: frame.id });
    for (const scope of scopes) {
      if (only && !only.includes(scope.name)) continue;
      this.say(`  ${scope.name}${scope.presentationHint ? ` [${scope.presentationHint}]` : ''}`);
      await this.variables(scope.variablesReference, '    ');
    }
  }

  private async variables(variablesReference: number, indent: string): Promise<void> {
    const { variables } = await this.client.ask<P.VariablesResponse['body']>('variables', { variablesReference });
    for (const variable of variables) {
      const reference = variable.memoryReference ? `  → ${variable.memoryReference}` : '';
      this.say(`${indent}${variable.name} = ${variable.value}${reference}`);
      if (variable.variablesReference > 0) await this.variables(variable.variablesReference, `${indent}  `);
    }
  }

  /** Any request with its answer as JSON, line by line where it is a list. */
  async ask(command: string, args?: unknown): Promise<void> {
    this.heading(`${command} ${JSON.stringify(args ?? {})}`);
    try {
      const body = await this.client.ask<unknown>(command, args);
      for (const line of jsonLines(body)) this.say(`  ${line}`);
    } catch (error) {
      this.say(`  error: ${(error as Error).message}`);
    }
  }

  async evaluate(expression: string, context: string): Promise<void> {
    try {
      const answer = await this.client.evaluate(expression, context);
      const [first, ...rest] = answer.split('\n');
      this.say(`  ${context}> ${expression}  ⇒  ${first}`);
      for (const line of rest) this.say(`      ${line}`);
    } catch (error) {
      this.say(`  ${context}> ${expression}  ⇒  error: ${(error as Error).message}`);
    }
  }
}

function frameText({ name, source, line, presentationHint, instructionPointerReference }: P.StackFrame): string {
  if (presentationHint === 'label') return `---- ${name} ----`;
  const place = source ? `${source.name}:${line}` : 'no source';
  return `${name}  ${place}  ${instructionPointerReference}${presentationHint ? ` [${presentationHint}]` : ''}`;
}

/** Paths are cut to file names. */
function jsonLines(body: unknown): string[] {
  const text = (value: unknown): string =>
    JSON.stringify(value, (key, inner: unknown) => (key === 'path' && typeof inner === 'string' ? inner.replace(/^.*[/\\]/, '') : inner)) ??
    'nothing';
  if (typeof body !== 'object' || body === null) return [text(body)];
  return Object.entries(body).flatMap(([key, value]) =>
    Array.isArray(value) ? [`${key}:`, ...value.map((item) => `  ${text(item)}`)] : [`${key}: ${text(value)}`],
  );
}
