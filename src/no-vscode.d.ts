// What `vscode` resolves to outside src/extension: nothing. See the `paths` entry in the tsconfig.json of core, protocol,
// engine, platform and webview; @types/vscode would otherwise be visible to every project.
export {};
