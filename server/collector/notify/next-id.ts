import { monotonicFactory } from 'ulid'

/** A ULID for the next message. It ascends also where the clock does not, so that messages go out in the order in which they were written. */
export const nextId = monotonicFactory()
