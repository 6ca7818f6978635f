/** Bounds that keep hostile or mistaken sources from hanging the tool; passing one is an error that names it. */

/** Bytes of one section or image. */
export const MAX_IMAGE_BYTES = 256 * 1024 * 1024;
/** Lines that the preprocessor may hand on. */
export const MAX_LINES = 1_500_000;
/** Lines that the preprocessor may look at, those of directives and repetitions among them. */
export const MAX_STEPS = 20_000_000;
/** Tokens that macros may write out in one line. */
export const MAX_LINE_TOKENS = 200_000;
/** Tokens that macros may write out in one assembly. */
export const MAX_EXPANDED_TOKENS = 60_000_000;
/** Tokens in the arguments of all macro calls that are open at a time. */
export const MAX_OPEN_TOKENS = 2_000_000;
/** Bytes of a string that %strcat makes. */
export const MAX_STRING_BYTES = 1 << 20;
/** Single-line macros within the text of single-line macros. */
export const MAX_SINGLE_DEPTH = 800;
/** Macro calls within macro calls. */
export const MAX_MACRO_DEPTH = 5_000;
export const MAX_INCLUDE_DEPTH = 64;
/** As NASM's own default. */
export const MAX_REPETITIONS = 1_000_000;
/** Nested parentheses and unary operators in one expression. */
export const MAX_EXPRESSION_DEPTH = 400;
/** Instructions or data items that one TIMES may repeat when they cannot be copied. */
export const MAX_TIMES_EVALUATED = 4_000_000;
export const MAX_PASSES = 1000;
/** Passes after which forward references are estimated, so that programs with long chains of jumps settle. */
export const PATIENT_PASSES = 10;
/** Passes without progress towards a fixed point. */
export const MAX_STALLED_PASSES = 100;
export const MAX_DIAGNOSTICS = 1000;
export const MAX_SECTIONS = 20_000;
