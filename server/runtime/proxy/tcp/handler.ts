import type { Link } from '../../listen/link.ts'
import type { ConnectionRecord } from '../connections/record.ts'

/** Carries the connections of one TCP route. One for each route; holds nothing of a single connection. */
export interface ConnectionHandler {
  /**
   * Takes the client's link over and sets the record's carrier, which closes the record in the end. `early`: bytes that were read
   * before, null where there are none. Throwing ends the connection with `internal_error`.
   */
  carry(client: Link, record: ConnectionRecord, early: Buffer | null): void
}
