import { defineConfig } from 'vitest/config';
import { vitePlugins } from './src/tooling/plugins.mjs';

export default defineConfig({
  plugins: vitePlugins,
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/workbench/**'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
