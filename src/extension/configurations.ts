/** Launch configurations: F5 with none, and what the editor offers. */
import * as vscode from 'vscode';

const TYPE = 'ringside';

/** A configuration for the file in the editor. */
export function configurationFor(program: string): vscode.DebugConfiguration {
  return { type: TYPE, request: 'launch', name: 'Debug this guest', program, stopOnEntry: true };
}

const provider: vscode.DebugConfigurationProvider = {
  /** F5 without launch.json comes with an empty configuration. */
  resolveDebugConfiguration(_folder, configuration) {
    if (configuration.type || configuration.request || configuration.name) return configuration;
    const editor = vscode.window.activeTextEditor;
    if (!editor) return undefined;
    if (editor.document.isUntitled) {
      void vscode.window.showErrorMessage('Save the program first: Ringside reads it from its file.');
      return undefined;
    }
    return configurationFor(editor.document.uri.fsPath);
  },

  /** What the debugger runs is what is on disk, so it must be what is in the editor. */
  async resolveDebugConfigurationWithSubstitutedVariables(_folder, configuration) {
    const program: unknown = configuration['program'];
    const document = vscode.workspace.textDocuments.find(({ uri }) => uri.fsPath === program);
    if (document?.isDirty && !(await document.save())) return undefined;
    return configuration;
  },

  provideDebugConfigurations() {
    return [configurationFor('${file}')];
  },
};

export function registerConfigurations(): vscode.Disposable[] {
  const { Initial, Dynamic } = vscode.DebugConfigurationProviderTriggerKind;
  return [
    vscode.debug.registerDebugConfigurationProvider(TYPE, provider, Initial),
    vscode.debug.registerDebugConfigurationProvider(TYPE, provider, Dynamic),
  ];
}
