/** What keeps a drain from being started, field by field, in words for the person who pressed the button; empty where nothing does. */
export const drainProblems = (form: {
  id: string | null
  reason: string
  confirm: string
  /** The plan has been read. */
  planned: boolean
  blocked: boolean
  /** Some of what blocks it nobody can override. */
  stuck: boolean
  force: boolean
}): { reason?: string; confirm?: string; plan?: string } => ({
  ...(form.reason.trim() ? {} : { reason: 'Say why; others see it.' }),
  ...(form.confirm === form.id
    ? {}
    : {
        confirm: form.confirm
          ? `That is not ${form.id}. Type the exact id of what you want to drain.`
          : `Type ${form.id} here, so that nobody drains by mistake.`,
      }),
  ...(form.planned
    ? form.stuck
      ? { plan: 'The plan above names what blocks this drain. Clear it; nobody can override it.' }
      : form.blocked && !form.force
        ? {
            plan: 'The plan above names what blocks this drain. Clear it, or let an administrator override it.',
          }
        : {}
    : { plan: 'The plan is not ready yet. Wait for it, or read above why there is none.' }),
})
