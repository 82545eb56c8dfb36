import type { Link } from '../../listen/link.ts'
import type { ConnectionRecord } from '../connections/record.ts'
import { alert } from '../tls/alerts.ts'
import type { TcpServices } from './connection.ts'
import type { ConnectionHandler } from './handler.ts'

/** Closes each connection; one that began with a ClientHello is told why. */
export class TcpBlock implements ConnectionHandler {
  readonly #services: TcpServices

  constructor(services: TcpServices) {
    this.#services = services
  }

  carry(client: Link, record: ConnectionRecord): void {
    if (record.tls) client.part(alert('access_denied'))
    else client.destroy()
    this.#services.close(record, 'route_blocked')
  }
}
