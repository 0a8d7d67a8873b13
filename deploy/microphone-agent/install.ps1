# Installs the microphone agent on a Windows machine, for everybody who logs on there, or removes it with -Uninstall. Run it as administrator
# beside microphone-agent.exe, microphone-agent.conf and task.xml; again, to bring a newer one. As a start-up script of a group policy it does
# the same from a share.
#Requires -Version 5.1
param([switch] $Uninstall)
$ErrorActionPreference = 'Stop'
$name = 'microphone-agent'
$programs = Join-Path $env:ProgramFiles $name
$settings = Join-Path $env:ProgramData $name

# Whoever runs it is asked to end, so that it tells the gateway; what then still runs is ended.
cmd.exe /c "taskkill /im $name.exe >nul 2>&1"
for ($tries = 0; $tries -lt 10 -and (Get-Process $name -ErrorAction SilentlyContinue); $tries++) { Start-Sleep -Milliseconds 500 }
Get-Process $name -ErrorAction SilentlyContinue | Stop-Process -Force

if ($Uninstall) {
    Unregister-ScheduledTask -TaskName $name -Confirm:$false -ErrorAction SilentlyContinue
    Remove-Item $programs, $settings -Recurse -Force -ErrorAction SilentlyContinue
    exit
}

New-Item $programs, $settings -ItemType Directory -Force | Out-Null
# What all run and read, administrators alone may change. By number, since groups have other names in other languages: administrators, system, users.
icacls.exe $settings /inheritance:r /grant:r '*S-1-5-32-544:(OI)(CI)F' '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-545:(OI)(CI)RX' | Out-Null
Copy-Item (Join-Path $PSScriptRoot "$name.exe") $programs -Force
Copy-Item (Join-Path $PSScriptRoot "$name.conf") (Join-Path $settings 'settings.conf') -Force
Register-ScheduledTask -TaskName $name -Xml (Get-Content (Join-Path $PSScriptRoot 'task.xml') -Raw) -Force | Out-Null
# Whoever is logged on already need not log on anew; before anybody is, there is nobody to start it for.
Start-ScheduledTask -TaskName $name -ErrorAction SilentlyContinue
