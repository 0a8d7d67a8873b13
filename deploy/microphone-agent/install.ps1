# Installs the microphone agent on a Windows machine, for everybody who logs on there, or removes it with -Uninstall. Run it as administrator
# beside microphone-agent.exe, microphone-agent.conf and task.xml; again, to bring a newer one. As a start-up script of a group policy it does
# the same from a share.
#Requires -Version 5.1
param([switch] $Uninstall)
$ErrorActionPreference = 'Stop'
$name = 'microphone-agent'
# A PowerShell of 32 bits, as some tools for deployment start it, has another folder of that name; the task has not.
$programs = Join-Path $(if ($env:ProgramW6432) { $env:ProgramW6432 } else { $env:ProgramFiles }) $name

# Whoever runs it is asked to end, so that it tells the gateway; what then still runs, such as in another session, is ended.
cmd.exe /c "taskkill /im $name.exe >nul 2>&1"
for ($tries = 0; $tries -lt 10 -and (Get-Process $name -ErrorAction SilentlyContinue); $tries++) { Start-Sleep -Milliseconds 500 }
Get-Process $name -ErrorAction SilentlyContinue | Stop-Process -Force -ErrorAction SilentlyContinue
Wait-Process $name -Timeout 10 -ErrorAction SilentlyContinue

if ($Uninstall) {
    Unregister-ScheduledTask -TaskName $name -Confirm:$false -ErrorAction SilentlyContinue
    if (Test-Path $programs) { Remove-Item $programs -Recurse -Force }
    exit 0
}

# What all run and read, administrators alone may change: so it is with all that lies below this folder.
New-Item $programs -ItemType Directory -Force | Out-Null
Copy-Item (Join-Path $PSScriptRoot "$name.exe") $programs -Force
Copy-Item (Join-Path $PSScriptRoot "$name.conf") (Join-Path $programs 'settings.conf') -Force
Register-ScheduledTask -TaskName $name -Xml (Get-Content (Join-Path $PSScriptRoot 'task.xml') -Raw) -Force | Out-Null
# Whoever is logged on already need not log on anew; before anybody is, there is nobody to start it for.
Start-ScheduledTask -TaskName $name -ErrorAction SilentlyContinue
