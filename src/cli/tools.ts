/** Commands that have a program of their own in dist/ (esbuild.mjs), so that `run` starts without them. */
export { bench } from './bench';
export { dap } from './dap';
