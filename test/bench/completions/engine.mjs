// The model in this process, for what the worker has no switch for.

/** Calls `use` with a function that writes a middle, then closes the model. */
export async function withEngine(sources, { path, threads, backend, kernels }, use) {
  const opened = await sources.openToRun(path);
  const { value: tokenizer } = await sources.readTokenizer(sources.requireModel(opened));
  const fim = sources.findFim(tokenizer);
  const session = await sources.openSession(opened, { backend, kernels, threads, batch: 64, cacheType: 'f16' });
  const cache = new sources.CachedSequence(session);
  const { signal } = new AbortController();
  const draftLength = new sources.DraftLength();
  const complete = async ({ prefix, suffix }, { count, budget, draft = 0, limit }) => {
    const prompt = sources.buildFimPrompt(tokenizer, fim, { prefix, suffix }, budget).tokens;
    const enough = limit && sources.completionLimit({ prefix, suffix }, true);
    return sources.generate(
      {
        ...{ prompt, count, stop: [], ends: fim.ends, draft },
        ...(enough ? { enough: text => enough(text) !== undefined } : {}),
      },
      {
        ...{ model: session, cache, tokenizer, signal, now: () => performance.now() / 1000 },
        turn: () => new Promise(resolve => setImmediate(resolve)),
        sampler: new sources.Sampler(sources.GREEDY),
        ...(draft > 0 ? { drafter: new sources.PromptLookup(), draftLength } : {}),
      },
    );
  };
  try {
    return await use(complete);
  } finally {
    await session.close();
  }
}
