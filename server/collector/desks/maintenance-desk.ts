import type {
  Actor,
  MaintenanceCreateRequest,
  MaintenanceState,
  MaintenanceWindow,
  Page,
} from '../../contract/index.ts'

/** What the API may ask of maintenance windows. */
export interface MaintenanceDesk {
  /** The latest beginning first. `from` and `to` (epoch ms) select what overlaps that time. */
  list(filter: {
    status?: MaintenanceState
    from?: number
    to?: number
    limit?: number
    cursor?: string
  }): Promise<Page<MaintenanceWindow>>
  create(request: MaintenanceCreateRequest, actor: Actor): Promise<MaintenanceWindow>
  /** Ends an active window now, and removes a planned one. */
  end(id: string, actor: Actor): Promise<void>
}
