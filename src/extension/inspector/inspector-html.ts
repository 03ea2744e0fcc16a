// The page of the inspector. It holds nothing but references to our own script and styles: no text of a model is ever part
// of it, no inline script, no network. What the file says arrives later as data and is shown as text.

export interface PageResources {
  readonly cspSource: string;
  /** Webview URIs. */
  readonly script: string;
  readonly style: string;
  readonly icons: string;
  readonly nonce: string;
}

export function inspectorHtml({ cspSource, script, style, icons, nonce }: PageResources): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${cspSource}`,
    `font-src ${cspSource}`,
    `img-src ${cspSource}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Model Inspector</title>
    <link id="vscode-codicon-stylesheet" rel="stylesheet" href="${icons}" nonce="${nonce}">
    <link rel="stylesheet" href="${style}" nonce="${nonce}">
    <script type="module" src="${script}" nonce="${nonce}"></script>
  </head>
  <body></body>
</html>
`;
}
