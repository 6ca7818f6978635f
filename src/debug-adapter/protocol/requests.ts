/** Every request that the adapter answers, with the types of its arguments and its answer. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import type { PanelRequests } from '../../shared/panel-protocol';

type Nothing = void;

interface StandardRequests {
  initialize: { arguments: P.InitializeRequestArguments; body: P.Capabilities };
  launch: { arguments: P.LaunchRequestArguments & Readonly<Record<string, unknown>>; body: Nothing };
  attach: { arguments: P.AttachRequestArguments; body: Nothing };
  configurationDone: { arguments: P.ConfigurationDoneArguments; body: Nothing };
  restart: { arguments: P.RestartArguments; body: Nothing };
  terminate: { arguments: P.TerminateArguments; body: Nothing };
  disconnect: { arguments: P.DisconnectArguments; body: Nothing };
  cancel: { arguments: P.CancelArguments; body: Nothing };

  setBreakpoints: { arguments: P.SetBreakpointsArguments; body: P.SetBreakpointsResponse['body'] };
  setFunctionBreakpoints: { arguments: P.SetFunctionBreakpointsArguments; body: P.SetFunctionBreakpointsResponse['body'] };
  setInstructionBreakpoints: { arguments: P.SetInstructionBreakpointsArguments; body: P.SetInstructionBreakpointsResponse['body'] };
  setExceptionBreakpoints: { arguments: P.SetExceptionBreakpointsArguments; body: P.SetExceptionBreakpointsResponse['body'] };
  setDataBreakpoints: { arguments: P.SetDataBreakpointsArguments; body: P.SetDataBreakpointsResponse['body'] };
  dataBreakpointInfo: { arguments: P.DataBreakpointInfoArguments; body: P.DataBreakpointInfoResponse['body'] };
  breakpointLocations: { arguments: P.BreakpointLocationsArguments; body: P.BreakpointLocationsResponse['body'] };
  exceptionInfo: { arguments: P.ExceptionInfoArguments; body: P.ExceptionInfoResponse['body'] };

  continue: { arguments: P.ContinueArguments; body: P.ContinueResponse['body'] };
  pause: { arguments: P.PauseArguments; body: Nothing };
  next: { arguments: P.NextArguments; body: Nothing };
  stepIn: { arguments: P.StepInArguments; body: Nothing };
  stepOut: { arguments: P.StepOutArguments; body: Nothing };
  goto: { arguments: P.GotoArguments; body: Nothing };
  gotoTargets: { arguments: P.GotoTargetsArguments; body: P.GotoTargetsResponse['body'] };

  threads: { arguments: undefined; body: P.ThreadsResponse['body'] };
  stackTrace: { arguments: P.StackTraceArguments; body: P.StackTraceResponse['body'] };
  scopes: { arguments: P.ScopesArguments; body: P.ScopesResponse['body'] };
  variables: { arguments: P.VariablesArguments; body: P.VariablesResponse['body'] };
  setVariable: { arguments: P.SetVariableArguments; body: P.SetVariableResponse['body'] };
  setExpression: { arguments: P.SetExpressionArguments; body: P.SetExpressionResponse['body'] };
  evaluate: { arguments: P.EvaluateArguments; body: P.EvaluateResponse['body'] };
  completions: { arguments: P.CompletionsArguments; body: P.CompletionsResponse['body'] };

  disassemble: { arguments: P.DisassembleArguments; body: P.DisassembleResponse['body'] };
  readMemory: { arguments: P.ReadMemoryArguments; body: P.ReadMemoryResponse['body'] };
  writeMemory: { arguments: P.WriteMemoryArguments; body: P.WriteMemoryResponse['body'] };

  source: { arguments: P.SourceArguments; body: P.SourceResponse['body'] };
  loadedSources: { arguments: P.LoadedSourcesArguments; body: P.LoadedSourcesResponse['body'] };
  modules: { arguments: P.ModulesArguments; body: P.ModulesResponse['body'] };
}

type Requests = StandardRequests & PanelRequests;
export type Command = keyof Requests;

/** What a handler knows of the request beside its arguments. */
export interface RequestContext {
  readonly sequence: number;
  /** Set when the client gave up on it; long work looks at it between its pieces. */
  readonly cancelled: boolean;
  /** @throws CancelledError when the client gave up */
  throwIfCancelled(): void;
  /** Does something once the response is on its way, such as an event that must come behind it. */
  afterResponse(action: () => void): void;
}

export type Handler<C extends Command> = (
  args: Requests[C]['arguments'],
  context: RequestContext,
) => Requests[C]['body'] | Promise<Requests[C]['body']>;

/** One family of requests. */
export type Handlers = { readonly [C in Command]?: Handler<C> };
