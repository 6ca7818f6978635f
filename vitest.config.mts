import { defineConfig } from 'vitest/config';
import { viteAssembly } from './src/tooling/assembly-plugin.mjs';

export default defineConfig({
  plugins: [viteAssembly],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/workbench/**'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
