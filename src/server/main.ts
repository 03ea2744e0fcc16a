// Entry of dist/server.js: the recipe language server over Node IPC, stdio or a socket, as the command line says
// (`--node-ipc`, `--stdio`, `--socket=…`). The YAML parser's files lie beside it in tree-sitter/.
import path from 'node:path';
import { createConnection, ProposedFeatures } from 'vscode-languageserver/node';
import { logError } from './feature.js';
import { startServer } from './server.js';

const connection = createConnection(ProposedFeatures.all);

// Whatever slips through is logged; open recipes go on being served.
process.on('uncaughtException', error => logError(connection, 'uncaught', error));
process.on('unhandledRejection', reason => logError(connection, 'unhandled rejection', reason));

startServer(connection, path.join(import.meta.dirname, 'tree-sitter'));
