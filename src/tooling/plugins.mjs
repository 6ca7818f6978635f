/** What every build of the project needs: for esbuild, and for Vite, which runs the tests. */
import { esbuildAssembly, viteAssembly } from './assembly-plugin.mjs';
import { esbuildHandlers, viteHandlers } from './handlers-plugin.mjs';

export const esbuildPlugins = [esbuildAssembly, esbuildHandlers()];
/** For programs that are built into a folder and may have files beside them. @param folder that */
export const esbuildPluginsInto = (folder) => [esbuildAssembly, esbuildHandlers(folder)];
export const vitePlugins = [viteAssembly, viteHandlers];
