/** Exits of instructions that emitted code carries out: it raises a "vector" beyond those of exceptions, which says the reason. */

/** Added to a basic exit reason. */
export const OWN_EXIT = 256;
