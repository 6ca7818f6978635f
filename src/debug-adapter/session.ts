/** One debug session: what the families of requests share. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { LaunchError } from '../engines/launch';
import { launch } from '../engines/launcher';
import type { PanelEvents } from '../shared/panel-protocol';
import { BreakpointIds } from './breakpoints/breakpoint-set';
import { Guest } from './guest';
import type { AdapterHost } from './host';
import { readHypercalls } from './hypercalls/read';
import { type LaunchAttributes, readAttributes } from './launch/attributes';
import { reportProblems } from './launch/problems';
import { encodeBase64 } from './memory/base64';
import { StateReporter } from './panels/state-reporter';
import { Dispatcher, type Send } from './protocol/dispatcher';
import { isRunning, isTerminated, notLaunched, UserError } from './protocol/errors';
import { ClientPositions } from './protocol/positions';
import type { Handlers } from './protocol/requests';
import type { Motion } from './run/motion';
import type { StopReport } from './run/runner';
import { StepProgress } from './run/step-progress';

/** What the client asked for, to be set again after a restart. */
export interface Wishes {
  readonly sources: Map<string, P.SetBreakpointsArguments>;
  functions: P.SetFunctionBreakpointsArguments | undefined;
  instructions: P.SetInstructionBreakpointsArguments | undefined;
  data: P.SetDataBreakpointsArguments | undefined;
  exceptions: P.SetExceptionBreakpointsArguments | undefined;
}

export class Session {
  readonly host: AdapterHost;
  readonly dispatcher: Dispatcher;
  readonly ids = new BreakpointIds();
  readonly wishes: Wishes = { sources: new Map(), functions: undefined, instructions: undefined, data: undefined, exceptions: undefined };
  readonly reporter: StateReporter;
  readonly progress: StepProgress;
  client: P.InitializeRequestArguments | undefined;
  positions = new ClientPositions({ adapterID: 'ringside' });
  /** The program that was launched; undefined before. */
  current: Guest | undefined;
  /** The client has said that its configuration is complete. */
  configured = false;
  private attributes: Readonly<Record<string, unknown>> = {};
  private readonly decoders = new Map<string, TextDecoder>();

  constructor(post: Send, host: AdapterHost, families: readonly ((session: Session) => Handlers)[]) {
    this.host = host;
    this.dispatcher = new Dispatcher(post);
    this.reporter = new StateReporter(this);
    this.progress = new StepProgress(this);
    for (const family of families) this.dispatcher.register(family(this));
  }

  /** @throws UserError before the launch */
  get guest(): Guest {
    if (!this.current) throw notLaunched();
    return this.current;
  }

  /** The guest, which must stand still. @throws UserError */
  get stopped(): Guest {
    const { guest } = this;
    if (guest.runner.state === 'running') throw isRunning();
    if (guest.runner.state === 'ended') throw isTerminated();
    return guest;
  }

  panelEvent<E extends keyof PanelEvents>(event: E, body: PanelEvents[E]): void {
    this.dispatcher.event(event, body);
  }

  /** A line for the debug console. */
  log(line: string, category: 'console' | 'stderr' | 'important' = 'console'): void {
    this.dispatcher.event('output', { category, output: `${line}\n` });
  }

  /**
   * Reads the attributes and the program and builds the machine.
   * @param args left out to do the same as the last time
   * @throws UserError; each problem of the program's source is told in an output event before
   */
  load(args?: Readonly<Record<string, unknown>>): Guest {
    const given = args ?? this.attributes;
    const attributes = readAttributes(given, (path) => this.host.resolve(path));
    const hypercalls = readHypercalls(attributes.hypercalls, this.host.readFile);
    const launched = this.launch(attributes);
    this.attributes = given;
    for (const note of launched.notes) this.log(note, 'console');
    const guest: Guest = new Guest({
      launched,
      attributes,
      hypercalls,
      host: this.host,
      listener: {
        stopped: (report) => this.onStopped(guest, report),
        exited: (code, text) => this.onExited(code, text),
        sliced: () => {
          guest.output.flush();
          this.reporter.sliced();
        },
        failed: (error) => this.onFailed(guest, error),
      },
      log: (line) => this.log(line),
    });
    guest.output.onFlush = (channel, bytes) => {
      this.panelEvent('ringside/serial', { channel, bytes: encodeBase64(bytes) });
      if (channel === 'console') this.dispatcher.event('output', { category: 'stdout', output: this.decode(channel, bytes) });
    };
    this.current = guest;
    return guest;
  }

  private launch(attributes: LaunchAttributes) {
    try {
      return launch(attributes.options, this.host.readFile);
    } catch (error) {
      if (error instanceof LaunchError) throw new UserError(reportProblems(error.problems, this), true);
      if (error instanceof Error) throw new UserError(`the program cannot be launched: ${error.message}`, true);
      throw error;
    }
  }

  /** Bytes of a character may come in two pieces. */
  private decode(channel: string, bytes: Uint8Array): string {
    let decoder = this.decoders.get(channel);
    if (!decoder) {
      decoder = new TextDecoder();
      this.decoders.set(channel, decoder);
    }
    return decoder.decode(bytes, { stream: true });
  }

  private onStopped(guest: Guest, report: StopReport): void {
    this.progress.ended();
    guest.moved();
    guest.lastStop = report;
    const { vcpu, text, hitBreakpointIds } = report;
    const { reason, description } = this.shownReason(guest, report);
    if (guest.attributes.noDebug && report.reason !== 'pause') {
      this.log(text ?? report.description ?? report.reason, 'console');
      this.end(report.reason === 'halted' ? 0 : 1);
      return;
    }
    this.dispatcher.event('stopped', {
      reason,
      description,
      text,
      threadId: vcpu + 1,
      allThreadsStopped: true,
      preserveFocusHint: false,
      hitBreakpointIds,
    });
    this.reporter.stopped();
  }

  /**
   * VS Code looks at a frame without source, and opens its disassembly, only where the reason is that an instruction was met;
   * what it shows to people is the description.
   */
  private shownReason({ engine, program }: Guest, { vcpu, reason, description }: StopReport): Pick<StopReport, 'reason' | 'description'> {
    const plain =
      this.client?.clientID !== 'vscode' ||
      reason === 'exception' ||
      program.seenFrom(engine.cpus[vcpu].place.vmx).positionAt(engine.cpus[vcpu].address) !== undefined;
    return plain ? { reason, description } : { reason: 'instruction breakpoint', description: description ?? `Paused on ${reason}` };
  }

  private onExited(code: number, text: string | undefined): void {
    if (text) this.log(text, 'important');
    this.end(code);
  }

  private onFailed(guest: Guest, error: unknown): void {
    this.log(`internal error while the guest ran: ${error instanceof Error ? error.message : String(error)}`, 'stderr');
    this.onStopped(guest, { vcpu: 0, reason: 'pause', description: 'Paused after an internal error' });
  }

  /** Lets the guest go on. */
  go(motion: Motion): void {
    const { guest } = this;
    guest.moved();
    this.reporter.resumed();
    this.progress.started(motion);
    guest.runner.start(motion);
  }

  /** Ends the run and tells so. @param code of the guest; left out where it was ended from outside */
  end(code?: number): void {
    const guest = this.current;
    if (!guest) return;
    this.progress.ended();
    guest.output.flush();
    guest.runner.end();
    guest.moved();
    this.reporter.ended();
    if (code !== undefined) this.dispatcher.event('exited', { exitCode: code });
    this.dispatcher.event('terminated', {});
  }
}
