-- Times in which what happens was announced. Past ones stay: timelines and charts tell of them.

-- CreateTable
CREATE TABLE "maintenance_windows" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "from" BIGINT NOT NULL,
    "to" BIGINT NOT NULL,
    "data" TEXT NOT NULL
);

-- CreateIndex
CREATE INDEX "maintenance_windows_from_id_idx" ON "maintenance_windows"("from", "id");

-- CreateIndex
CREATE INDEX "maintenance_windows_to_idx" ON "maintenance_windows"("to");
