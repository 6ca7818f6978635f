import type { Plugin as EsbuildPlugin } from 'esbuild';
import type { Plugin as VitePlugin } from 'vite';

export const esbuildPlugins: EsbuildPlugin[];
export const vitePlugins: VitePlugin[];
