/** Tells of a step that takes long, so that it can be cancelled: the guest is then paused where it is. */
import type { Session } from '../session';
import type { Motion } from './motion';

/** Milliseconds until a step counts as long. */
const PATIENCE = 1000;

export class StepProgress {
  private readonly session: Session;
  private callOff: (() => void) | undefined;
  private current: string | undefined;
  private next = 1;

  constructor(session: Session) {
    this.session = session;
  }

  started({ title }: Motion): void {
    this.ended();
    if (title === undefined || !this.session.client?.supportsProgressReporting) return;
    this.callOff = this.session.host.later(PATIENCE, () => {
      this.current = `step-${this.next++}`;
      this.session.dispatcher.event('progressStart', { progressId: this.current, title, cancellable: true });
    });
  }

  ended(): void {
    this.callOff?.();
    this.callOff = undefined;
    if (this.current !== undefined) this.session.dispatcher.event('progressEnd', { progressId: this.current });
    this.current = undefined;
  }

  /** The client gave up on it. */
  cancel(progressId: string): void {
    if (progressId === this.current) this.session.guest.runner.pause();
  }
}
