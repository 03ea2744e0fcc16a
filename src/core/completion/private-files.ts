// Files that are never read for completions, whatever the settings: their names say that they hold secrets. A completion would
// put such text into a prompt, and its explanation onto the screen.

/** Names, without folder and in lower case. */
const SECRET_NAMES: readonly RegExp[] = [
  /^\.env(\..+)?$/,
  /\.env$/,
  /^\.(netrc|pgpass|npmrc|pypirc|git-credentials|htpasswd|dockercfg|my\.cnf)$/,
  /^_netrc$/,
  /^id_(rsa|dsa|ecdsa|ed25519)/,
  /\.(pem|key|p12|pfx|pkcs12|keystore|jks|kdbx?|gpg|asc|ppk|ovpn|age|agekey)$/,
  /\.(tfstate|tfvars)(\..+)?$/,
  /^(credentials?|secrets?|passwords?|passwd|shadow|kubeconfig|service[-_]account)(\.[^.]+)?$/,
  /[._-](secrets?|credentials?)\.(ya?ml|json|toml|ini|txt|env|properties)$/,
];
/** Examples of such files are written to be read. */
const EXAMPLES = /\.(example|sample|template|dist)$/;
const SECRET_FOLDERS = /(^|[\\/])(\.ssh|\.gnupg|\.aws|\.azure|\.kube|\.password-store)[\\/]/;

/** Whether a file's path says that it holds secrets. */
export function looksSecret(path: string): boolean {
  if (SECRET_FOLDERS.test(path)) return true;
  const name = (path.split(/[\\/]/).at(-1) ?? '').toLowerCase();
  return !EXAMPLES.test(name) && SECRET_NAMES.some(pattern => pattern.test(name));
}
