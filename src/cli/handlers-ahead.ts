/** The interpreter's handlers as other threads have compiled them while this program was being loaded (src/tooling/cli-start.cjs). */
import { useModule } from '../engines/cpu/interpreter/handlers';
import { PREBUILT_HANDLERS } from '../engines/cpu/interpreter/prebuilt';

/** Waits for them; without them, or where that failed, they are compiled when they are wanted. */
export async function handlersAhead(): Promise<void> {
  const module = await (globalThis as { ringsideHandlers?: Promise<WebAssembly.Module> }).ringsideHandlers?.catch(() => undefined);
  if (module) useModule(PREBUILT_HANDLERS, module);
}
