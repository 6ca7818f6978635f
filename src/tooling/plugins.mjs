/** What every build of the project needs: for esbuild, and for Vite, which runs the tests. */
import { esbuildAssembly, viteAssembly } from './assembly-plugin.mjs';
import { esbuildHandlers, viteHandlers } from './handlers-plugin.mjs';

export const esbuildPlugins = [esbuildAssembly, esbuildHandlers];
export const vitePlugins = [viteAssembly, viteHandlers];
