/** Everything that browser, API, collector and runtime agree on. Safe for the browser: no Node imports here. */
export * from './access.ts';
export * from './close-codes.ts';
export * from './demo.ts';
export * from './drain-budget.ts';
export * from './drains.ts';
export * from './errors.ts';
export * from './events.ts';
export * from './fleet.ts';
export * from './health.ts';
export * from './ids.ts';
export * from './incidents.ts';
export * from './live.ts';
export * from './node-api.ts';
export * from './node-config.ts';
export * from './publisher.ts';
export * from './series.ts';
export * from './states.ts';
