/** The requests about the program's files and parts. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { formatLinear } from '../../shared/addresses';
import type { DebugInfo } from '../../symbols/debug-info';
import type { Guest } from '../guest';
import { UserError } from '../protocol/errors';
import type { Handlers } from '../protocol/requests';
import type { Session } from '../session';
import { baseName } from './paths';
import { absolutePath } from './program';

export function sourceRequests(session: Session): Handlers {
  return {
    source: ({ sourceReference }) => {
      throw new UserError(`there is no source ${sourceReference}: all sources are files`);
    },
    loadedSources: () => ({ sources: sourcesOf(session.guest) }),
    modules: ({ startModule = 0, moduleCount = 0 }) => {
      const all = session.guest.program.parts.map(showModule);
      return { modules: all.slice(startModule, moduleCount > 0 ? startModule + moduleCount : undefined), totalModules: all.length };
    },
  };
}

function sourcesOf({ program }: Guest): P.Source[] {
  return [...new Set(program.files.map(absolutePath))].map((path) => ({ name: baseName(path), path }));
}

function showModule(part: DebugInfo, id: number): P.Module {
  const places = part.symbols.filter(({ kind }) => kind !== 'constant').map(({ address }) => address);
  const lowest = places.reduce((low, address) => Math.min(low, address), Number.POSITIVE_INFINITY);
  const lines = part.files.length > 0;
  return {
    id,
    name: part.name,
    path: part.path,
    isUserCode: true,
    symbolStatus: `${part.symbols.length} symbols${lines ? `, lines of ${part.files.length} files` : ', no lines'}`,
    symbolFilePath: part.path,
    ...(places.length > 0 && { addressRange: `from ${formatLinear(lowest)}` }),
  };
}

/** Tells of what was loaded: for the first time, or again after a restart. */
export function announceModules(session: Session, reason: 'new' | 'changed'): void {
  const { program } = session.guest;
  for (const [id, part] of program.parts.entries()) session.dispatcher.event('module', { reason, module: showModule(part, id) });
  for (const source of sourcesOf(session.guest)) session.dispatcher.event('loadedSource', { reason, source });
}
