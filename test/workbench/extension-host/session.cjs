/** A debug session as the tests see it: what the adapter sent, and ways to wait for it. */
const vscode = require('vscode');

/** Everything that adapters send, from activation on. */
const messages = [];
const waiting = [];

vscode.debug.registerDebugAdapterTrackerFactory('ringside', {
  createDebugAdapterTracker: (session) => ({
    onDidSendMessage(message) {
      messages.push({ session, message });
      for (const look of [...waiting]) look();
    },
  }),
});

/** Waits for a message that has come since `from`, or will. */
function waitFor(what, matches, from = 0) {
  return new Promise((resolve, reject) => {
    const look = () => {
      const found = messages.slice(from).find(({ message }) => matches(message));
      if (!found) return;
      clearTimeout(timer);
      waiting.splice(waiting.indexOf(look), 1);
      resolve(found.message);
    };
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(look), 1);
      reject(
        new Error(`no ${what} came; the last messages: ${JSON.stringify(messages.slice(-5).map(({ message }) => message)).slice(0, 800)}`),
      );
    }, 30_000);
    waiting.push(look);
    look();
  });
}

const stoppedEvent = (message) => message.type === 'event' && message.event === 'stopped';

/** Starts a configuration and waits until it stops. */
async function start(configuration) {
  const from = messages.length;
  const folder = vscode.workspace.workspaceFolders[0];
  if (!(await vscode.debug.startDebugging(folder, configuration))) throw new Error('the session did not start');
  const stopped = await waitFor('stop', stoppedEvent, from);
  return { session: vscode.debug.activeDebugSession, stopped: stopped.body };
}

/** Runs something that makes the guest go on, and waits for the next stop. */
async function untilStopped(action) {
  const from = messages.length;
  await action();
  return (await waitFor('stop', stoppedEvent, from)).body;
}

async function stopAll() {
  if (!vscode.debug.activeDebugSession) return;
  const ended = new Promise((resolve) => {
    const subscription = vscode.debug.onDidTerminateDebugSession(() => {
      subscription.dispose();
      resolve();
    });
  });
  await vscode.debug.stopDebugging();
  await ended;
}

module.exports = { messages, waitFor, start, untilStopped, stopAll };
