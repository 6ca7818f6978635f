import type { Plugin as EsbuildPlugin } from 'esbuild';
import type { Plugin as VitePlugin } from 'vite';

export const esbuildAssembly: EsbuildPlugin;
export const viteAssembly: VitePlugin;
