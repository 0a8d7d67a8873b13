# Installs the microphone agent on a Windows machine, for everybody who logs on there, or removes it with -Uninstall. Run it as administrator
# beside microphone-agent.exe, microphone-agent.conf and task.xml; again, to bring a newer one. As a start-up script of a group policy it does
# the same from a share.
#Requires -Version 5.1
param([switch] $Uninstall)
$ErrorActionPreference = 'Stop'
$name = 'microphone-agent'
# A PowerShell of 32 bits, as some tools for deployment start it, has another folder of that name; the task has not.
$programs = Join-Path $(if ($env:ProgramW6432) { $env:ProgramW6432 } else { $env:ProgramFiles }) $name
$settings = Join-Path $env:ProgramData $name

# Not Remove-Item: of a link, `rd` removes the link alone.
function Remove-Folder($folder) {
    if (Test-Path -LiteralPath $folder) { cmd.exe /c rd /s /q $folder }
    if (Test-Path -LiteralPath $folder) { throw "$folder cannot be removed" }
}

# Whoever runs it is asked to end, so that it tells the gateway; what then still runs, such as in another session, is ended.
cmd.exe /c "taskkill /im $name.exe >nul 2>&1"
for ($tries = 0; $tries -lt 10 -and (Get-Process $name -ErrorAction SilentlyContinue); $tries++) { Start-Sleep -Milliseconds 500 }
Get-Process $name -ErrorAction SilentlyContinue | Stop-Process -Force -ErrorAction SilentlyContinue
Wait-Process $name -Timeout 10 -ErrorAction SilentlyContinue

if ($Uninstall) {
    Unregister-ScheduledTask -TaskName $name -Confirm:$false -ErrorAction SilentlyContinue
    Remove-Folder $programs
    Remove-Folder $settings
    exit 0
}

# Everybody may make folders there. One that was laid ready by somebody else, or leads elsewhere, would let them send everybody's token where they like.
if (Test-Path -LiteralPath $settings) {
    $leads_elsewhere = (Get-Item -LiteralPath $settings -Force).Attributes -band [IO.FileAttributes]::ReparsePoint
    $owner = if (-not $leads_elsewhere) { (Get-Acl -LiteralPath $settings).GetOwner([Security.Principal.SecurityIdentifier]).Value }
    if ($owner -notin 'S-1-5-32-544', 'S-1-5-18') { Remove-Folder $settings }
}
New-Item $programs, $settings -ItemType Directory -Force | Out-Null
# What all run and read, administrators alone may change. By number, since groups have other names in other languages: administrators, system, users.
icacls.exe $settings /reset /t /q | Out-Null
if ($LASTEXITCODE -eq 0) {
    icacls.exe $settings /inheritance:r /grant:r '*S-1-5-32-544:(OI)(CI)F' '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-545:(OI)(CI)RX' /q | Out-Null
}
if ($LASTEXITCODE -ne 0) { throw "who may change $settings cannot be set: icacls answers $LASTEXITCODE" }
Copy-Item (Join-Path $PSScriptRoot "$name.exe") $programs -Force
Copy-Item (Join-Path $PSScriptRoot "$name.conf") (Join-Path $settings 'settings.conf') -Force
Register-ScheduledTask -TaskName $name -Xml (Get-Content (Join-Path $PSScriptRoot 'task.xml') -Raw) -Force | Out-Null
# Whoever is logged on already need not log on anew; before anybody is, there is nobody to start it for.
Start-ScheduledTask -TaskName $name -ErrorAction SilentlyContinue
