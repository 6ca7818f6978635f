/** What exceptionInfo tells of the last stop. */
import { UserError } from '../protocol/errors';
import type { Handlers } from '../protocol/requests';
import type { Session } from '../session';

export function exceptionRequests(session: Session): Handlers {
  return {
    exceptionInfo: ({ threadId }) => {
      const guest = session.stopped;
      guest.cpuOfThread(threadId);
      const exception = guest.lastStop?.exception;
      if (!exception) throw new UserError('the guest did not stop at an exception');
      const { id, description, details } = exception;
      return {
        exceptionId: id,
        description,
        breakMode: 'always',
        details: { message: details.join('\n') || description, typeName: id, fullTypeName: id },
      };
    },
  };
}
