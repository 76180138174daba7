# fish completion for frng and fakeroot-ng

for name in frng fakeroot-ng
    # Options end at the first word that is none: from there on it is another command's line.
    complete -c $name -x -a '(__fish_complete_subcommand)'
    complete -c $name -s p -l persist -r -F -d 'Load lies from STATE, share and save them'
    complete -c $name -s l -l log -r -F -d 'Write a log'
    complete -c $name -s f -l flush -d 'Flush it after each line'
    complete -c $name -s d -l no-daemonize -d 'Stay with the terminal and the working directory'
    complete -c $name -l engine -x -a 'auto inline seccomp ptrace' -d 'How to intercept'
    complete -c $name -l stats -r -F -d 'Write how often each call was intercepted and what it cost'
    complete -c $name -l unknown -x -a 'self root real' -d 'Owner of files without a lie'
    complete -c $name -l no-sync -d 'Let fsync and the like succeed without waiting for the disk'
    complete -c $name -l accounts -x -a '(__fish_complete_directories)' -d 'Look users and groups up in DIR'
    complete -c $name -l leave -x -a '(__fish_complete_directories)' -d 'Leave the files below DIR as they are'
    complete -c $name -l off -d 'Run COMMAND unfooled, within a command that is fooled'
    complete -c $name -l root -x -a '(__fish_complete_directories)' -d 'Run COMMAND with DIR as /'
    complete -c $name -s b -l bind -r -F -d 'With --root: show HOST at GUEST'
    complete -c $name -l qemu -x -a '(__fish_complete_command)' -d 'What runs programs for other CPUs in another root'
    complete -c $name -l doctor -d 'Say what works here'
    complete -c $name -s v -l version -d 'Version and copyright'
    complete -c $name -s h -l help -d 'Help'
end
