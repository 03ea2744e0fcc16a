// Mocha as the suite uses it. Mocha 12 is an ES module that exports its class by name; its types still describe the older
// form, where the class is the module.
import * as module from 'mocha';

export const { Mocha } = module as unknown as { readonly Mocha: typeof module.default };
export const { reporters, setup, suite, suiteSetup, suiteTeardown, teardown, test } = module;
