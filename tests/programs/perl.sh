# needs: perl
perl -e '
open my $f, ">", "f" or die; close $f;
chown 1000, 2000, "f" or die $!; chmod 04755, "f" or die $!;
my @s = stat "f"; printf "%o %d:%d\n", @s[2, 4, 5];
$> = 1000; print "$< $>\n"; $> = 0; print "$< $>\n";
$) = "5 6 7"; print "$(\n$)\n"; $) = "0 0";
($<, $>) = (1000, 1000); print "$< $>\n"; eval { $> = 0 }; print "$< $>\n";
print chown(0, 0, "f"), "\n";
print -u "f" ? "suid\n" : "plain\n";
'
