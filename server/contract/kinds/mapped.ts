/** Whether an entry says what its answer means: by the name of a program, by a map, or by both. */
export const isMapped = (entry: { preset?: unknown; map?: unknown }): boolean =>
  entry.preset !== undefined || entry.map !== undefined

/** What is said of an entry that does not. */
export const needsMap = (example: string, presets: readonly string[]) => ({
  path: ['map'],
  // With every other mistake of the entry, not after they are mended.
  when: ({ value }: { value: unknown }) => typeof value === 'object' && value !== null,
  message: `it is needed where no preset is named, for example ${example}; presets are ${presets.join(', ')}`,
})
