/** The five virtualization techniques, by the names of the command line's `--engine` and launch.json's `engine`. */
export type Technique = 'emulator' | 'translator' | 'paravirt' | 'vmx' | 'container';
