// esbuild writes imported styles beside the bundle.
declare module '*.css';
